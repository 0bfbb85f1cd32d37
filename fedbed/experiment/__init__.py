"""The experiment file: its schema, reading and writing it, and Flower's strategies by name."""

from fedbed.experiment.load import dump, from_data, load, loads, override
from fedbed.experiment.schema import (
    Adversaries,
    Centralised,
    Codec,
    Data,
    DownProfile,
    Experiment,
    Federation,
    Optimizer,
    Partition,
    Screening,
    Select,
    SelectionSpec,
    Stragglers,
    StrategySpec,
    UpProfile,
)

__all__ = [
    "Adversaries",
    "Centralised",
    "Codec",
    "Data",
    "DownProfile",
    "Experiment",
    "Federation",
    "Optimizer",
    "Partition",
    "Screening",
    "Select",
    "SelectionSpec",
    "Stragglers",
    "StrategySpec",
    "UpProfile",
    "dump",
    "from_data",
    "load",
    "loads",
    "override",
]
