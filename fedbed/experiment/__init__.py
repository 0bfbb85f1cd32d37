"""The experiment file: its schema, reading and writing it, and Flower's strategies by name."""

from fedbed.experiment.load import dump, from_data, load, loads, override
from fedbed.experiment.schema import (
    Centralised,
    Codec,
    Data,
    Experiment,
    Federation,
    Optimizer,
    Partition,
    Select,
    StrategySpec,
)

__all__ = [
    "Centralised",
    "Codec",
    "Data",
    "Experiment",
    "Federation",
    "Optimizer",
    "Partition",
    "Select",
    "StrategySpec",
    "dump",
    "from_data",
    "load",
    "loads",
    "override",
]
