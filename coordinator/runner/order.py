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
    """The run's own blobs: models and samples."""
    bundle: Path | None
    """The app, for a run of one."""
    twins: Path
    """Where trained twins are kept for all runs."""
    partitions: int
    resume: bool
    has_samples: bool = False
    """Whether the coordinator can be asked what nodes' probes have measured."""

    @classmethod
    def of(cls, message: dict[str, Any]) -> Order:
        """Read the coordinator's message."""
        return cls(
            message["run"],
            int(message["number"]),
            RunSpec.of(message["spec"]),
            Path(message["folder"]),
            Path(message["blobs"]),
            None if message["bundle"] is None else Path(message["bundle"]),
            Path(message["twins"]),
            int(message["partitions"]),
            bool(message["resume"]),
            bool(message["has_samples"]),
        )
