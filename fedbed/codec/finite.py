"""Whether an array's values are finite: from their top bytes where those lie apart, else from all.

In IEEE 754 a value is NaN or infinite if all bits of its exponent are set. Those begin in the top
byte, so a top byte in which they aren't all set clears its value.
"""

from __future__ import annotations

from typing import Any, Iterable

import numpy as np
import numpy.typing as npt

from fedbed.codec.spec import ArraySpec, show
from fedbed.errors import PayloadError

MAX_DIFFERENCE = float(np.finfo(np.float32).max) / 2
"""A difference up to this and a model up to this make a sum that is finite."""

_SIGNLESS = 0x7F
_FULL_EXPONENT = {"float16": 0x7C, "float32": 0x7F, "float64": 0x7F}
"""The least top byte, without its sign, of a value that may not be finite."""


def has_top_plane(dtype: str) -> bool:
    """Whether `surely_finite` knows the dtype."""
    return dtype in _FULL_EXPONENT


def surely_finite(dtype: str, top_plane: Iterable[memoryview]) -> bool:
    """Whether the top bytes of float values, in pieces, rule out NaN, infinity and, for float32,
    more than `MAX_DIFFERENCE`; the pieces are taken to their end in any case.
    """
    bound, fine = _FULL_EXPONENT[dtype], True
    for piece in top_plane:
        signless = np.bitwise_and(np.frombuffer(piece, np.uint8), _SIGNLESS)
        fine = fine and not (signless.size and signless.max() >= bound)
    return fine


def check_finite(spec: ArraySpec, array: npt.NDArray[Any], is_difference: bool) -> None:
    """Raise PayloadError if a value is NaN or infinite, or a difference beyond its bound."""
    if array.dtype.kind == "f" and array.size:
        with np.errstate(invalid="ignore"):
            extremes = np.array([array.min(), array.max()])
        # Both pass a NaN on; they take no memory, unlike a look at each value.
        if _fine(extremes, is_difference).all():
            return
    wrong = array.size - int(np.count_nonzero(_fine(array, is_difference)))
    if wrong:
        raise PayloadError(
            f"array {show(spec.name)}: {wrong} of {array.size} values are NaN or infinite",
            "not-finite",
        )


def _fine(values: npt.NDArray[Any], is_difference: bool) -> npt.NDArray[Any]:
    if not is_difference:
        return np.asarray(np.isfinite(values))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(values) <= MAX_DIFFERENCE)
