"""Data sets: their cards, where they lie, how they are read, drawn and split among nodes."""

from __future__ import annotations

from fedbed.data.cards import (
    Card,
    CardFile,
    Generator,
    card_names,
    load_card,
    readable_cards,
    shipped_names,
)
from fedbed.data.dataset import Dataset, Split, load, load_split, verify
from fedbed.data.partition import (
    SCHEMES,
    absent,
    class_counts,
    heterogeneity,
    overlaps,
    plan,
    plan_hash,
    split_test,
)
from fedbed.data.scale import scaled_shape
from fedbed.data.store import FileStatus, check, fetch, status
from fedbed.places import data_dir

__all__ = [
    "SCHEMES",
    "Card",
    "CardFile",
    "Dataset",
    "FileStatus",
    "Generator",
    "Split",
    "absent",
    "card_names",
    "check",
    "class_counts",
    "data_dir",
    "fetch",
    "heterogeneity",
    "load",
    "load_card",
    "load_split",
    "overlaps",
    "plan",
    "plan_hash",
    "readable_cards",
    "scaled_shape",
    "shipped_names",
    "split_test",
    "status",
    "verify",
]
