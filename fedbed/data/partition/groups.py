"""`groups`: what was taken together stays together (a scene, a site, a writer).

Whole groups are dealt to the nodes, the largest first and each to the node that has least by then
(Graham's rule, doi 10.1137/0117039), so that sizes come out close; the seed decides between
groups of one size and which node gets which hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, List

import numpy as np

from fedbed.data.partition.scheme import Args, Pool
from fedbed.errors import ExperimentError

if TYPE_CHECKING:
    from fedbed.data.partition.scheme import Numbers

ARGS: Args = {}


def deal(pool: Pool, parts: int, _args: Args, rng: np.random.RandomState) -> List[Numbers]:
    """Deal whole groups; ExperimentError where there are none, or fewer than nodes."""
    if pool.groups is None:
        raise ExperimentError(
            "partition scheme 'groups' needs samples in groups (scenes, sites), "
            "and this data set has none; take another data set or scheme"
        )
    _, group_of, sizes = np.unique(pool.groups, return_inverse=True, return_counts=True)
    if parts > len(sizes):
        raise ExperimentError(
            f"{len(sizes)} groups can't be dealt to {parts} nodes, one each at least; "
            f"allowed are 1 to {len(sizes)} nodes"
        )
    shuffled = rng.permutation(len(sizes))
    held = np.zeros(parts, np.int64)
    node_of = np.zeros(len(sizes), np.int64)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        node = int(held.argmin())
        node_of[group] = node
        held[node] += sizes[group]
    dealt = node_of[group_of.reshape(-1)]
    return [np.flatnonzero(dealt == node) for node in rng.permutation(parts)]
