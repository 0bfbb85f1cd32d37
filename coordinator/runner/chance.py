"""Who plays a part in a run, drawn from its seed."""

from __future__ import annotations

import numpy as np


def draw(mark: int, seed: int, count: int, partitions: int) -> tuple[int, ...]:
    """Draw up to `count` of a run's partitions, in order.

    mark: keeps this choice apart from whatever else is drawn from the seed.
    """
    chance = np.random.default_rng((mark, seed))
    chosen = chance.choice(partitions, min(count, partitions), replace=False)
    return tuple(sorted(int(partition) for partition in chosen))
