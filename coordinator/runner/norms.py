"""How long an update is, and updates made shorter; both array by array, never a whole one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord

from coordinator.runner.replies import Reply, SpooledArray
from coordinator.runner.sent import Sent
from fedbed.codec import ArraySpec
from fedbed.errors import PayloadError
from fedbed.flower import LazyArray
from fedbed.tasks.moments import PREFIX

Values = np.ndarray[Any, Any]
BLOCK_ITEMS = 1 << 15
"""Items of one block: a buffer of it fits a core's cache."""


def of_reply(reply: Reply, sent: Mapping[str, Sent]) -> float:
    """Return the L2 norm of what a node changed of the arrays that it was sent.

    Arrays of floats count, others don't, nor do an optimiser's moments that travel along. It is
    summed in one order, so the same update has the same norm wherever it stands; to the bits of
    float32, which is plenty for a limit. PayloadError if it can't be read, or holds other arrays
    than were sent.
    """
    squares = 0.0
    buffers: dict[np.dtype[Any], Values] = {}
    for name, record in reply.content(sent).array_records.items():
        if name not in sent:
            raise PayloadError(f"its record of arrays '{name}' wasn't sent to it", "shape")
        for key, array in record.items():
            if not _is_float(array) or key.startswith(PREFIX):
                continue
            base = sent[name].reference.base(ArraySpec(key, array.dtype, tuple(array.shape)))
            values = array.numpy()
            wide = _wide(values.dtype)
            buffer = buffers.setdefault(wide, np.empty(BLOCK_ITEMS, wide))
            squares += _squares(values.reshape(-1), np.ravel(base), buffer)
            if isinstance(array, SpooledArray):
                array.give_back(values)
    return math.sqrt(squares)


def clipped(record: ArrayRecord, sent: Sent, factor: float) -> ArrayRecord:
    """Return the record with its difference to what was sent multiplied by `factor`, lazily."""
    shorter = ArrayRecord()
    for name, array in record.items():
        if _is_float(array):
            spec = ArraySpec(name, array.dtype, tuple(array.shape))
            shorter[name] = ClippedArray(array, sent.reference.base(spec), factor)
        else:
            shorter[name] = array
    return shorter


class ClippedArray(LazyArray):
    """A flwr Array of floats whose difference to `base` is multiplied by `factor` (0 to 1)."""

    def __init__(self, array: Array, base: Values, factor: float) -> None:
        super().__init__(array.dtype, tuple(array.shape))
        self.__dict__["_array"] = array
        self.__dict__["_base"] = base
        self.__dict__["_factor"] = factor

    def numpy(self) -> Values:
        """Return the array, freshly decoded and writable."""
        base: Values = self.__dict__["_base"]
        factor: float = self.__dict__["_factor"]
        if factor == 0:  # a difference out of range, which nothing times 0 brings back
            return base.copy()
        values: Values = self.__dict__["_array"].numpy()
        values -= base
        values *= factor
        values += base
        return values


def _is_float(array: Array) -> bool:
    return np.dtype(array.dtype).kind == "f"


def _squares(came: Values, base: Values, buffer: Values) -> float:
    total = 0.0
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for start in range(0, came.size, BLOCK_ITEMS):
            here = came[start : start + BLOCK_ITEMS]
            difference = buffer[: here.size]
            np.subtract(here, base[start : start + BLOCK_ITEMS], out=difference)
            np.square(difference, out=difference)
            # Not a dot product: how BLAS sums depends on its number of threads. NumPy adds in
            # pairs, so that a block's sum is good to some last bits in float32 too.
            total += float(np.add.reduce(difference))
    return total if math.isfinite(total) else math.inf


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype to compute in: casting float32 up would take most of the time."""
    return np.promote_types(dtype, np.float32)
