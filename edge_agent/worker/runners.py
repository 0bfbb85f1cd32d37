"""Which runner a work item needs."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from edge_agent.worker.job import Job, Runner


def make_runner(job: Job, state_dir: Path, data_path: Optional[Path]) -> Runner:
    """Return the runner that the item asks for; its imports happen here, once."""
    if job.item.app.kind == "task":
        from edge_agent.worker.native import NativeRunner

        return NativeRunner(job.item.app.name, data_path)
    from edge_agent.worker.flower import FlowerRunner

    return FlowerRunner(job, state_dir)
