"""Which runner a work item needs."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Tuple

from edge_agent.worker.job import Job, Runner
from fedbed.link.messages import WorkItem


def scope(item: WorkItem) -> Tuple[str, Optional[int]]:
    """Return what one runner is good for: all items of a run, or those of one partition of it.

    A ClientApp keeps state from round to round, which is its partition's.
    """
    return item.run, None if item.app.kind == "task" else item.partition


def make_runner(job: Job, state_dir: Path, data_path: Optional[Path]) -> Runner:
    """Return the runner that the item asks for; its imports happen here, once."""
    if job.item.app.kind == "task":
        from edge_agent.worker.native import NativeRunner

        return NativeRunner(job.item.app, data_path)
    from edge_agent.worker.flower import FlowerRunner

    return FlowerRunner(job, state_dir)
