"""What the database knows of runs."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from coordinator.runs.progress import ENDED, Progress
from coordinator.runs.spec import RunSpec
from coordinator.store import tables
from coordinator.store.database import Database
from fedbed.errors import NotFound

ENDED_KEPT = 40
"""Ended runs whose rounds stay in memory."""


class RunLedger:
    """Reads and writes the tables of runs and rounds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ended: dict[str, Progress] = {}

    async def add(self, run_id: str, number: int, spec: RunSpec) -> None:
        """Enter a run as queued."""
        row = tables.Run(
            id=run_id,
            number=number,
            kind=spec.kind,
            state="queued",
            spec=asdict(spec),
            roster={},
            submitted_at=time.time(),
        )
        await self._database.write(lambda s: s.add(row))

    def row(self, run_id: str) -> tables.Run:
        """Return a run; NotFound if there is none."""
        row = self._database.read(lambda s: s.get(tables.Run, run_id))
        if row is None:
            raise NotFound(f"there is no run '{run_id}'")
        return row

    def unfinished(self) -> list[tables.Run]:
        """Return the runs that haven't ended, in order of submission."""
        return self._database.read(
            lambda s: list(
                s.query(tables.Run)
                .filter(tables.Run.state.not_in(ENDED))
                .order_by(tables.Run.submitted_at)
            )
        )

    def newest(self, limit: int) -> list[tables.Run]:
        """Return the newest runs, newest first."""
        return self._database.read(
            lambda s: list(
                s.query(tables.Run).order_by(tables.Run.submitted_at.desc()).limit(limit)
            )
        )

    def counted(self) -> dict[str, int]:
        """Return how many runs there are in each state that occurs."""
        counts = select(tables.Run.state, func.count()).group_by(tables.Run.state)
        rows = self._database.read(lambda s: s.execute(counts).all())
        return {str(row[0]): int(row[1]) for row in rows}

    async def mark_running(self, run_id: str, roster: dict[int, str], starts: int) -> None:
        """Note that the run's process is started, for the `starts`-th time."""

        def store(session: Session) -> None:
            row = session.get(tables.Run, run_id)
            if row is not None:
                row.state, row.starts = "running", starts
                row.started_at = row.started_at or time.time()
                row.roster = _as_json(roster)

        await self._database.write_patiently(store)

    def note_roster(self, run_id: str, roster: dict[int, str]) -> None:
        """Note who takes part now."""
        now = _as_json(roster)

        def store(session: Session) -> None:
            row = session.get(tables.Run, run_id)
            if row is not None:
                row.roster = now

        self._database.note(store)

    def note_round(self, run_id: str, summary: dict[str, Any]) -> None:
        """Note a round that has closed."""
        row = tables.Round(run=run_id, number=int(summary["round"]), summary=summary)
        self._database.note(lambda s: s.merge(row))

    async def end(self, run_id: str, state: str, code: str, detail: str, shown: Progress) -> None:
        """Note how a run ended, with what it had to show."""
        summary = {key: value for key, value in shown.snapshot().items() if key != "history"}

        def store(session: Session) -> None:
            row = session.get(tables.Run, run_id)
            if row is not None:
                row.state, row.error_code, row.error = state, code, detail
                row.ended_at = time.time()
                row.summary = summary
            # Or the next life of the coordinator would welcome results that nobody waits for.
            still_open = session.query(tables.Work).filter_by(run=run_id, state="open")
            still_open.update({"state": "cancelled"})

        await self._database.write_patiently(store)

    def keep(self, run_id: str, shown: Progress) -> None:
        """Keep at hand what a run has to show that ends; its end may not be noted yet."""
        self._ended[run_id] = shown
        while len(self._ended) > ENDED_KEPT:
            del self._ended[next(iter(self._ended))]

    def past(self, row: tables.Run) -> Progress:
        """Return what an ended run had to show; the latest are kept at hand."""
        if row.id in self._ended:
            return self._ended[row.id]
        rounds = self._database.read(
            lambda s: list(
                s.query(tables.Round).filter_by(run=row.id).order_by(tables.Round.number)
            )
        )
        found = Progress.of_past(row.state, row.summary, rounds)
        if row.state in ENDED:
            self.keep(row.id, found)
        return found


def _as_json(roster: dict[int, str]) -> dict[str, Any]:
    return {str(partition): node for partition, node in roster.items()}
