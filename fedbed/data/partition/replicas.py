"""`replicas`: every node has all the data, and goes through it in an order of its own.

What federation itself costs, apart from splitting the data: nodes differ in nothing but the seed of
their order (`fedbed.tasks.schedule.fit_seed` mixes the partition's number in).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, List

import numpy as np

from fedbed.data.partition.scheme import Args, Pool

if TYPE_CHECKING:
    from fedbed.data.partition.scheme import Numbers

ARGS: Args = {}


def deal(pool: Pool, parts: int, _args: Args, _rng: np.random.RandomState) -> List[Numbers]:
    """Give everything to everybody: one array, shared."""
    return [np.arange(len(pool), dtype=np.int64)] * parts
