"""The learning rate of a round; pure, and the same for the federated run and its twin."""

from __future__ import annotations

import math
from typing import Tuple


def learning_rate(
    lr: float,
    schedule: str,
    lr_decay: float,
    server_round: int,
    rounds: int,
    warmup: int = 0,
    hold: int = 0,
) -> float:
    """Return the rate for `server_round` (1..rounds).

    In the first `warmup` rounds it grows in equal steps, from lr / (warmup + 1), to be whole in the
    round after them (Goyal et al., arXiv 1706.02677). From there, constant keeps `lr`, and cosine
    keeps it for `hold` rounds (Hägele et al., arXiv 2405.18392) and falls to 0 over those that are
    left (Loshchilov & Hutter, arXiv 1608.03983, without restarts). `lr_decay` multiplies once a
    round, on top of all.
    """
    rate = lr * lr_decay ** (server_round - 1)
    if server_round <= warmup:
        return rate * server_round / (warmup + 1)
    whole = warmup + hold
    if schedule == "cosine" and server_round > whole:
        rate *= 0.5 * (1 + math.cos(math.pi * (server_round - 1 - whole) / max(rounds - whole, 1)))
    return rate


def window(local_epochs: float, count: int, server_round: int) -> Tuple[int, int]:
    """Return where `server_round` (1, 2, ...) begins in a node's row of passes, and its samples.

    count: samples that the node has. Rounds of a part of a pass follow each other without a gap.
    At least one sample.
    """
    first, end = (
        round(local_epochs * count * rounds) for rounds in (server_round - 1, server_round)
    )
    return first, max(1, end - first)


def fit_seed(seed: int, server_round: int, partition: int) -> int:
    """Mix a run's seed, a round and a partition into one seed, 0..2**32-1 (SplitMix64's finaliser).

    A node's order of samples depends on these three alone, so a restarted worker repeats it.
    """
    z = (seed * 0x9E3779B97F4A7C15 + server_round * 0xBF58476D1CE4E5B9 + partition + 1) % 2**64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return (z ^ (z >> 31)) % 2**32
