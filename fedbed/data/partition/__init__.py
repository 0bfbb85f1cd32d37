"""How samples are divided among nodes: one module for each scheme, and what came of it."""

from __future__ import annotations

from fedbed.data.partition.holdings import absent, class_counts, heterogeneity
from fedbed.data.partition.plan import SCHEMES, overlaps, plan, plan_hash, split_test

__all__ = [
    "SCHEMES",
    "absent",
    "class_counts",
    "heterogeneity",
    "overlaps",
    "plan",
    "plan_hash",
    "split_test",
]
