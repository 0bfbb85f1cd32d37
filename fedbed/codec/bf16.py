"""float32 to bfloat16, the upper half of its bits, and back.

Rounds to nearest, ties to even, as hardware does ("A Study of BFLOAT16 for Deep Learning
Training", arXiv 1905.12322): the relative error of a normal value is at most 2**-9. A NaN stays a
NaN, infinity stays; a finite value above 3.39e38 becomes infinite.
"""

from __future__ import annotations

from typing import List

import numpy as np

from fedbed.codec.difference import Difference
from fedbed.codec.planes import Bytes

KEPT = (2, 3)
"""Which of a little-endian float32's bytes are stored, one plane each."""


def split(values: Difference) -> List[Bytes]:
    """Return the low and the high byte of each value in bfloat16, two planes uint8 (n,)."""
    low, high = planes = [np.empty(values.shape, np.uint8) for _ in KEPT]
    odd = np.empty(0, np.uint32)
    for place, block in values.blocks():
        nan = np.isnan(block) if np.isnan(block.max()) else None
        bits = block.view(np.uint32)
        if odd.shape != bits.shape:
            odd = np.empty_like(bits)
        np.right_shift(bits, 16, out=odd)
        np.bitwise_and(odd, 1, out=odd)
        np.add(odd, 0x7FFF, out=odd)
        np.add(bits, odd, out=bits)
        if nan is not None:
            bits[nan] = 0x7FC00000
        np.right_shift(bits, 16, out=bits)
        np.copyto(low[place], bits, casting="unsafe")
        np.right_shift(bits, 8, out=bits)
        np.copyto(high[place], bits, casting="unsafe")
    return [plane.reshape(-1) for plane in planes]
