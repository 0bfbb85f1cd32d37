"""What the coordinator tells a run's process first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coordinator.runs.spec import RunSpec


@dataclass(frozen=True)
class Order:
    """Which run, where, and whether it goes on from a checkpoint."""

    run: str
    number: int
    spec: RunSpec
    folder: Path
    blobs: Path
    partitions: int
    resume: bool

    @classmethod
    def of(cls, message: dict[str, Any]) -> Order:
        """Read the coordinator's message."""
        return cls(
            message["run"],
            int(message["number"]),
            RunSpec.of(message["spec"]),
            Path(message["folder"]),
            Path(message["blobs"]),
            int(message["partitions"]),
            bool(message["resume"]),
        )
