"""`shards`: each node knows few classes (McMahan et al., arXiv 1602.05629).

The samples are sorted by label and cut into parts * shards_per_node shards; each node gets
`shards_per_node` of them at random.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, List

import numpy as np

from fedbed.data.partition.scheme import Args, Pool, whole_above_0
from fedbed.errors import ExperimentError

if TYPE_CHECKING:
    from fedbed.data.partition.scheme import Numbers

ARGS: Args = {"shards_per_node": 2}


def deal(pool: Pool, parts: int, args: Args, rng: np.random.RandomState) -> List[Numbers]:
    """Sort by label, cut, and deal the shards out."""
    per_node = whole_above_0("shards_per_node", args["shards_per_node"])
    total = parts * per_node
    if total > len(pool):
        raise ExperimentError(
            f"{parts} nodes with {per_node} shards each need {total} shards, "
            f"but there are only {len(pool)} samples"
        )
    # Shuffled before the stable sort: within a label the seed decides, not the file's order.
    shuffled = rng.permutation(len(pool))
    by_label = shuffled[np.argsort(pool.labels[shuffled], kind="stable")]
    shards = np.array_split(by_label, total)
    dealt = rng.permutation(total).reshape(parts, per_node)
    return [np.concatenate([shards[shard] for shard in hand]) for hand in dealt]
