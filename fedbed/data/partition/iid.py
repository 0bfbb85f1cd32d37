"""`iid`: shuffled; sizes differ by one at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, List

import numpy as np

from fedbed.data.partition.scheme import Args, Pool

if TYPE_CHECKING:
    from fedbed.data.partition.scheme import Numbers

ARGS: Args = {}


def deal(pool: Pool, parts: int, _args: Args, rng: np.random.RandomState) -> List[Numbers]:
    """Shuffle and cut."""
    return np.array_split(rng.permutation(len(pool)), parts)
