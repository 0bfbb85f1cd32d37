"""Arrays of any kind as the bytes that the wire has, and the fingerprint made of them."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Mapping

import numpy as np
import numpy.typing as npt

from fedbed.codec.planes import Bytes
from fedbed.codec.spec import ArraySpec, show
from fedbed.errors import PayloadError


def describe(name: str, array: npt.NDArray[Any]) -> ArraySpec:
    """Return what to write about an array; PayloadError if the format can't hold it."""
    if not isinstance(array, (np.ndarray, np.generic)) or isinstance(array, np.ma.MaskedArray):
        given = type(array).__name__
        raise PayloadError(f"array {show(str(name))} is a {given}; give a plain numpy array")
    return ArraySpec(name, array.dtype.name, tuple(array.shape))


def to_items(array: npt.NDArray[Any]) -> Bytes:
    """Return an array's little-endian items in C order, uint8 (n, bytes per item)."""
    wire = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    if wire.dtype.kind == "b":
        # numpy takes any byte but 0 for True; the wire has only 1.
        wire = wire.view(np.uint8) != 0
    return wire.reshape(-1).view(np.uint8).reshape(-1, wire.dtype.itemsize)


def fingerprint(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the sha256 (64 hex digits) of names, dtypes, shapes and bytes, in order of the names.

    Equal for equal arrays on any machine, whatever their order or memory layout. Raises
    PayloadError for arrays that the format can't hold.
    """
    specs = sorted((describe(*pair) for pair in arrays.items()), key=lambda spec: spec.name)
    listed = [[spec.name, spec.dtype, spec.shape] for spec in specs]
    digest = hashlib.sha256(json.dumps(listed, separators=(",", ":")).encode("ascii") + b"\n")
    for spec in specs:
        digest.update(to_items(arrays[spec.name]).reshape(-1).data)
    return digest.hexdigest()
