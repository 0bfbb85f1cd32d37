"""Makes pictures smaller by a whole factor, in whole numbers: the same on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence, Tuple

import numpy as np

from fedbed.errors import ExperimentError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def scaled_shape(shape: Sequence[int], size: int) -> Tuple[int, ...]:
    """Shape of one picture, (height, width) or (height, width, channels), scaled to `size`.

    size: pixels of its shorter side. Raises ExperimentError unless a whole factor leads there.
    """
    height, width = shape[0], shape[1]
    factor = _factor(height, width, size)
    return (height // factor, width // factor, *shape[2:])


def images(x: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Each pixel the mean of its block, halves rounded up: uint8 [n, height, width(, channels)].

    Raises ExperimentError unless a whole factor leads to `size`.
    """
    factor = _factor(x.shape[1], x.shape[2], size)
    if factor == 1:
        return x
    area = factor * factor
    out = np.empty((len(x), *scaled_shape(x.shape[1:], size)), np.uint8)
    for row, picture in enumerate(x):  # one at a time: sums take four times the memory
        sums = np.zeros(out.shape[1:], np.uint32)
        for down in range(factor):
            for right in range(factor):
                sums += picture[down::factor, right::factor]
        out[row] = (2 * sums + area) // (2 * area)
    return out


def masks(y: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Each pixel the upper left one of its block: uint8 [n, height, width].

    A mean of class numbers would be a class that isn't there, between cloud and shadow; and a vote
    within the block would wear thin things away.
    """
    factor = _factor(y.shape[1], y.shape[2], size)
    return np.ascontiguousarray(y[:, ::factor, ::factor])


def _factor(height: int, width: int, size: int) -> int:
    shorter = min(height, width)
    if size > shorter:
        raise ExperimentError(
            f"{size} is more than the pictures have ({height}x{width}); allowed: "
            f"{_allowed(height, width)}"
        )
    factor = shorter // size
    if factor * size != shorter or height % factor or width % factor:
        raise ExperimentError(
            f"pictures of {height}x{width} can't be scaled down to {size} by a whole factor; "
            f"allowed: {_allowed(height, width)}"
        )
    return factor


def _allowed(height: int, width: int) -> str:
    shorter = min(height, width)
    factors = [f for f in range(1, shorter + 1) if height % f == 0 and width % f == 0]
    return ", ".join(str(shorter // factor) for factor in factors[:6])
