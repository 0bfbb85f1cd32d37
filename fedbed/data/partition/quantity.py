"""`quantity`: nodes differ in how much they have, not in what (Li et al., arXiv 2102.02079, 4.3).

The nodes' sizes are shares drawn from Dir(alpha, ..., alpha), the more unequal the smaller alpha
is; who gets which sample is drawn at random. A node that would get nothing is given one sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, List

import numpy as np

from fedbed.data.partition.scheme import (
    Args,
    Pool,
    cut,
    dirichlet_shares,
    none_empty,
    number_above_0,
)

if TYPE_CHECKING:
    from fedbed.data.partition.scheme import Numbers

ARGS: Args = {"alpha": 0.5}


def deal(pool: Pool, parts: int, args: Args, rng: np.random.RandomState) -> List[Numbers]:
    """Shuffle, draw the sizes, and cut."""
    alpha = number_above_0("alpha", args["alpha"])
    shuffled = rng.permutation(len(pool))
    return none_empty(cut(shuffled, dirichlet_shares(parts, alpha, rng)))
