"""The largest values of an array and where they stand; the rest waits for a later round.

Of n values the n/8 of largest magnitude are sent, as 8-bit integers with one scale. What that
loses, in the values left out and in the rounding, the caller keeps as the residual and the next
round adds before it chooses: all of an update arrives in the end (Deep Gradient Compression,
arXiv 1712.01887; error feedback, arXiv 1901.09847). Rounding is to nearest: with the error fed
back it needs no chance.

Positions are written as gaps, the items skipped since the last one: `255` stands for 255 skipped
and more to come, any other byte ends a gap. Order and uniqueness need no check, as the code can't
say anything else. Entropy coding brings gaps to within a few percent of what any code of scattered
positions takes, so there is no bitmap beside it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fedbed.codec.difference import BLOCK_ITEMS, Floats
from fedbed.codec.int8 import Levels, scales_of
from fedbed.codec.planes import Bytes
from fedbed.codec.spec import show
from fedbed.errors import PayloadError

ONE_OF = 8
_MORE = 255


class Chosen(NamedTuple):
    """One scale, float32 (1,); gaps, uint8 (k or more,); levels, int8 (k,)."""

    scale: Floats
    gaps: Bytes
    levels: Levels


def choose(values: Floats, name: str) -> Chosen:
    """Return the largest of `values`, float32 (n,), which keeps what they leave.

    Raises PayloadError for NaN and infinity, with `values` untouched.
    """
    magnitude = np.abs(values)
    scale = scales_of(magnitude.max(keepdims=True), name, "small")
    places = _largest(magnitude, -(-values.size // ONE_OF))
    levels = np.rint(values[places] / scale).astype(np.int8)
    values[places] -= levels * scale
    return Chosen(scale, _gaps(places), levels)


def gap_bytes_fit(size: int, count: int, given: int) -> bool:
    """Return whether `given` bytes of gaps can name `count` positions of `size`."""
    return 0 <= count <= size and count <= given <= count + (size - count) // _MORE


def scatter(chosen: Chosen, size: int, name: str) -> Floats:
    """Return float32 (size,) with the values in their places and zeros elsewhere.

    Takes little memory beside that. Raises PayloadError if the gaps don't name as many places
    within `size` as there are levels.
    """
    values = np.zeros(size, np.float32)
    done, before = 0, 0
    for start in range(0, chosen.gaps.size, BLOCK_ITEMS):
        codes = chosen.gaps[start : start + BLOCK_ITEMS]
        ends = codes != _MORE
        # Each place is the items skipped so far and the places so far.
        reach = np.cumsum(codes + ends.astype(np.int64)) + before
        before = int(reach[-1])
        places = reach[ends] - 1
        levels = chosen.levels[done : done + places.size]
        if before > size or levels.size != places.size:
            raise PayloadError(f"array {show(name)}: positions out of range or too many")
        values[places] = levels * chosen.scale
        done += places.size
    if done != chosen.levels.size or (chosen.gaps.size and chosen.gaps[-1] == _MORE):
        raise PayloadError(f"array {show(name)}: positions and values differ in number")
    return values


def _largest(magnitude: Floats, count: int) -> npt.NDArray[np.intp]:
    """Return the ascending places of the `count` largest, fewer if the rest is zero."""
    least = np.partition(magnitude, magnitude.size - count)[magnitude.size - count]
    above = np.flatnonzero(magnitude > least)
    if not least:
        return above
    ties = np.flatnonzero(magnitude == least)[: count - above.size]
    return np.sort(np.concatenate([above, ties]))


def _gaps(places: npt.NDArray[np.intp]) -> Bytes:
    gaps = np.diff(places, prepend=-1) - 1
    longer, rest = np.divmod(gaps, _MORE)
    codes = np.full(places.size + int(longer.sum()), _MORE, np.uint8)
    codes[np.cumsum(longer + 1) - 1] = rest
    return codes
