"""float32 to 8-bit integers with one scale per channel, and back.

A channel is an index of the first axis. Values are rounded stochastically, up with the
probability of the fraction that is left, so that the decoded value is right on average and the
mean of many updates keeps what each of them loses (QSGD, arXiv 1610.02132). The error of each is
less than one scale.

Levels go to 63 and not to 127: after entropy coding a step of twice the size saves a bit of each
value (ResNet-18's update: 10.0 MB with 127, 8.6 MB with 63), and its noise stays small beside the
update's own, by some 30 dB for normal values.
"""

from __future__ import annotations

from typing import Tuple

import numpy as np
import numpy.typing as npt

from fedbed.codec.difference import Difference, Floats, blocks
from fedbed.codec.spec import ArraySpec, show
from fedbed.errors import PayloadError

Levels = npt.NDArray[np.int8]

LEAST_SCALE = float(np.finfo(np.float32).tiny)
LARGEST_SCALE = 2.6e36
"""Scales lie between these: the inverse of one, and 128 times one, are finite in float32."""

_LEAST_COLUMNS = 8
_LEVELS = 63
# A little more than a 63rd, so that the largest value, dithered, still rounds down to 63.
_STEP = np.float32((1 + 2**-20) / _LEVELS)


def channels(spec: ArraySpec) -> int:
    """Return the number of scales: one per index of axis 0, where each has 8 values or more."""
    rows = spec.shape[0] if len(spec.shape) > 1 else 1
    return rows if spec.nbytes // 4 >= _LEAST_COLUMNS * rows else 1


def peaks(values: Difference) -> Floats:
    """Return the largest magnitude of each row, float32 (rows,); NaN where one is NaN."""
    found = np.zeros(values.shape[0], np.float32)
    for (rows, _), block in values.blocks():
        np.abs(block, out=block)
        np.maximum(found[rows], block.max(axis=1), out=found[rows])
    return found


def scales_of(largest: Floats, name: str, profile: str) -> Floats:
    """Return the scale for each peak; PayloadError where one is NaN, infinite or nearly so."""
    with np.errstate(over="ignore"):
        scales: Floats = np.maximum(largest * _STEP, np.float32(LEAST_SCALE))
    if not np.all(scales <= LARGEST_SCALE):
        raise PayloadError(
            f"array {show(name)} holds NaN/inf or values above 1.6e38;"
            f" profile {profile} can't carry it; use exact"
        )
    return scales


def quantise(values: Difference, scales: Floats, seed: Tuple[int, int]) -> Levels:
    """Return integers (n,) in -63..63 that, times their row's scale, are `values` on average.

    The same `seed` gives the same integers with every version of numpy: of its generators only
    the raw bits are used, whose stream it guarantees.
    """
    dither = np.random.PCG64(list(seed))
    levels = np.empty(values.shape, np.uint8)
    inverse = (np.float32(1) / scales)[:, None]
    for place, block in values.blocks():
        bits = dither.random_raw((block.size + 3) // 4).view(np.uint16)
        noise = bits[: block.size].reshape(block.shape) * np.float32(2**-16)
        # In -63..64 shifted by 128, cutting off the fraction is rounding down.
        np.add(noise, np.float32(128 + 2**-17), out=noise)
        np.multiply(block, inverse[place[0]], out=block)
        np.add(block, noise, out=block)
        np.copyto(levels[place], block, casting="unsafe")
    np.bitwise_xor(levels, 0x80, out=levels)
    return levels.reshape(-1).view(np.int8)


def check_scales(scales: Floats, name: str) -> None:
    """Raise PayloadError unless all scales are such as `scales_of` makes."""
    if not np.all((scales >= LEAST_SCALE) & (scales <= LARGEST_SCALE)):
        raise PayloadError(
            f"array {show(name)}: a scale is NaN, infinite or out of range", "not-finite"
        )


def restore(levels: Levels, scales: Floats) -> Floats:
    """Return levels (n,) times their row's scale (rows,), float32 (n,)."""
    rows = scales.size
    grid = levels.reshape(rows, -1)
    values = np.empty(grid.shape, np.float32)
    for place in blocks(*grid.shape):
        np.multiply(grid[place], scales[place[0], None], out=values[place])
    return values.reshape(-1)
