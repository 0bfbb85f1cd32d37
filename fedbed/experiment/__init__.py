"""The experiment file: its schema, reading and writing it, and Flower's strategies by name."""

from fedbed.experiment.federation import (
    Adversaries,
    Federation,
    Pace,
    Screening,
    Select,
    SelectionSpec,
    Stragglers,
    StrategySpec,
)
from fedbed.experiment.load import Assignment, assign, dump, from_data, load, loads, override
from fedbed.experiment.schema import (
    Centralised,
    Codec,
    Data,
    DownProfile,
    Experiment,
    Optimizer,
    Partition,
    TaskSpec,
    UpProfile,
)

__all__ = [
    "Adversaries",
    "Assignment",
    "Centralised",
    "Codec",
    "Data",
    "DownProfile",
    "Experiment",
    "Federation",
    "Optimizer",
    "Pace",
    "Partition",
    "Screening",
    "Select",
    "SelectionSpec",
    "Stragglers",
    "StrategySpec",
    "TaskSpec",
    "UpProfile",
    "assign",
    "dump",
    "from_data",
    "load",
    "loads",
    "override",
]
