"""`dirichlet`: nodes differ in their classes (Yurochkin et al., arXiv 1905.12022).

Each class is divided among the nodes by shares drawn from Dir(alpha, ..., alpha). So nodes differ
in their classes and in their sizes, the more the smaller alpha is; a node that would get nothing is
given one sample.
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
    """Divide class by class."""
    alpha = number_above_0("alpha", args["alpha"])
    shuffled = rng.permutation(len(pool))
    hands: List[List[Numbers]] = [[] for _ in range(parts)]
    for label in np.unique(pool.labels):
        of_class = shuffled[pool.labels[shuffled] == label]
        for hand, piece in zip(hands, cut(of_class, dirichlet_shares(parts, alpha, rng))):
            hand.append(piece)
    return none_empty([np.concatenate(hand) for hand in hands])
