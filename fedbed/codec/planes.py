"""Byte planes: all lowest bytes of the items, then all second bytes, and so on.

In trained weights the highest bytes (sign and exponent) are very uneven and compress to a third,
while the mantissa's bytes are noise. Taking them apart lets a compressor have the former alone.
The idea is that of "byte shuffle" in HDF5 and Blosc.
"""

from __future__ import annotations

from typing import Callable, Iterable, List, Tuple

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Squeeze = Callable[[memoryview], bytes]

SAMPLE_STRETCHES = 8
STRETCH_BYTES = 2048
# A saving below a sixteenth isn't worth the reader's time.
WORTHWHILE = 15 / 16


def split(items: Bytes, squeeze: Squeeze) -> List[Tuple[bool, memoryview]]:
    """Take items, uint8 of shape (n, bytes per item), apart into planes and compress some.

    Returns one (compressed?, bytes) per plane, or none where no plane gains: the caller then
    stores the items as they are, which spares both sides the transposition.
    """
    promising = [_pays(items[:, byte], squeeze) for byte in range(items.shape[1])]
    if not any(promising):
        return []
    planes: List[Tuple[bool, memoryview]] = []
    for byte, promised in enumerate(promising):
        plane = np.ascontiguousarray(items[:, byte])
        planes.append(_pack(plane, squeeze) if promised else (False, plane.data))
    return planes


def pack(plane: Bytes, squeeze: Squeeze) -> Tuple[bool, memoryview]:
    """Return (compressed?, bytes) of one plane, uint8 (n,), compressed where a sample gains."""
    if plane.size and _pays(plane, squeeze):
        return _pack(plane, squeeze)
    return False, plane.data


def fill(plane: Bytes, pieces: Iterable[memoryview]) -> None:
    """Copy pieces one after another into a plane, which may be strided, and fill it."""
    position = 0
    for piece in pieces:
        plane[position : position + len(piece)] = np.frombuffer(piece, np.uint8)
        position += len(piece)


def _pack(plane: Bytes, squeeze: Squeeze) -> Tuple[bool, memoryview]:
    packed = squeeze(plane.data)
    smaller = len(packed) < plane.size
    return smaller, memoryview(packed) if smaller else plane.data


def _pays(plane: Bytes, squeeze: Squeeze) -> bool:
    sample = _sample(plane)
    return len(squeeze(sample.data)) < WORTHWHILE * sample.size


def _sample(plane: Bytes) -> Bytes:
    """Return a short plane whole, of a long one stretches from all over it."""
    if plane.size <= SAMPLE_STRETCHES * STRETCH_BYTES:
        return np.ascontiguousarray(plane)
    step = (plane.size - STRETCH_BYTES) // (SAMPLE_STRETCHES - 1)
    starts = range(0, SAMPLE_STRETCHES * step, step)
    return np.concatenate([plane[start : start + STRETCH_BYTES] for start in starts])
