"""How an earlier REST platform for federated learning sends models: the peer of our codec.

float32 as JSON text, or bfloat16, pickle and zstd. Arrays are float32 of any shape.
"""

from __future__ import annotations

import json
import pickle  # nosec B403 # a peer's format, measured
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]


def to_json(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return an object of nested lists, every value with all its digits.

    Made array by array, so that not all values are Python objects at once.
    """
    pieces = (f"{json.dumps(name)}: {json.dumps(a.tolist())}" for name, a in arrays.items())
    return ("{" + ", ".join(pieces) + "}").encode()


def from_json(text: bytes) -> Arrays:
    """Return what `to_json` was given, bit by bit."""
    return {name: np.array(values, np.float32) for name, values in json.loads(text).items()}


def to_halves(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Round to bfloat16, pickle, and compress with zstd's default level."""
    import torch
    import zstandard

    halves = {name: torch.from_numpy(array).bfloat16() for name, array in arrays.items()}
    return zstandard.compress(pickle.dumps(halves))


def from_halves(payload: bytes) -> Arrays:
    """Return what `to_halves` was given, with 8 bits of mantissa.

    For payloads of this process alone: unpickling runs whatever the sender wants.
    """
    import zstandard

    halves = pickle.loads(zstandard.decompress(payload))  # noqa: S301 # nosec B301 # our own
    return {name: half.float().numpy() for name, half in halves.items()}
