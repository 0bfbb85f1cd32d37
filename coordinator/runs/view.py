"""Runs as people and programs see them: on the page, in the API, on the command line."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from coordinator.runs.active import ActiveRun
from coordinator.runs.ledger import RunLedger
from coordinator.runs.progress import Progress
from coordinator.runs.spec import RunSpec
from coordinator.runs.waiting import WaitingRuns
from coordinator.store import tables


class RunView:
    """Puts together what ledger, queue and active runs each know."""

    def __init__(
        self, ledger: RunLedger, waiting: WaitingRuns, active: Mapping[str, ActiveRun]
    ) -> None:
        self._ledger = ledger
        self._waiting = waiting
        self._active = active

    def newest(self, limit: int = 20) -> list[dict[str, Any]]:
        """Describe the newest runs briefly, newest first."""
        return [self.describe(row, brief=True) for row in self._ledger.newest(limit)]

    def describe(self, row: tables.Run, brief: bool = False) -> dict[str, Any]:
        """Describe one run."""
        spec = RunSpec.of(row.spec)
        active = self._active.get(row.id)
        progress, wait = self._progress(row, active)
        return {
            "id": row.id,
            "name": spec.name,
            "kind": row.kind,
            "seed": spec.seed,
            "twin_wanted": spec.twin,
            "state": row.state if active is None else "running",
            "wait": wait,
            "nodes": spec.partitions,
            "agents": spec.need().nodes if spec.is_virtual else None,
            "roster": [] if active is None else active.names(),
            "submitted_at": row.submitted_at,
            "started_at": row.started_at,
            "ended_at": row.ended_at,
            "error_code": row.error_code,
            "error": row.error,
            "resumed": max(0, row.starts - 1),
            **progress.snapshot(brief),
        }

    def _progress(self, row: tables.Run, active: ActiveRun | None) -> tuple[Progress, str]:
        if active is not None:
            return active.progress, active.wait_explained()
        if row.id in self._waiting:
            return Progress(), self._waiting.explain(row.id, time.monotonic())
        return self._ledger.past(row), ""
