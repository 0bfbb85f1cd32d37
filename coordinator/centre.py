"""The coordinator's parts, wired together: made, started and stopped in one place."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from coordinator.access.service import AccessService
from coordinator.fleet.service import FleetService
from coordinator.live import EVENTS_KEPT, Live, Picture
from coordinator.runs.active import ActiveRun
from coordinator.runs.board import Board
from coordinator.runs.exchange import Exchange
from coordinator.runs.progress import Progress
from coordinator.runs.service import RunService
from coordinator.settings import ENROLLED, Influx, Settings
from coordinator.store import tables
from coordinator.store.blobs import BlobStore
from coordinator.store.database import Database, Row
from coordinator.store.latest import LatestBlobs
from coordinator.store.space import WAITING, Space
from coordinator.telemetry.tally import Tally
from fedbed import __version__
from fedbed.errors import FedbedError

if TYPE_CHECKING:
    from coordinator.telemetry.recorder import Recorder

_INSERT_EVENT = insert(tables.Base.metadata.tables[tables.Event.__tablename__])
TICK_S = 1.0
"""While a run is on, watchers hear at least this often: countdowns move."""


class Centre:
    """Everything behind the API. The constructor does nothing but wire."""

    def __init__(self, settings: Settings) -> None:
        folder = settings.state_dir
        self.settings = settings
        self.live = Live()
        self.picture = Picture(self.live, self.snapshot)
        self.database = Database.in_folder(folder)
        self.latest_blobs = LatestBlobs()
        self.blobs = BlobStore(folder / "blobs")
        """Bundles of Flower apps; models and samples are the runs' own."""
        self.board = Board(
            clock=time.monotonic,
            on_closed=lambda window, verdict: self.runs.window_closed(window, verdict),
            on_wake=lambda node: self.fleet.wake(node),
        )
        self.exchange = Exchange(self.database, self.board, folder / "runs")
        self.space = Space(folder)
        self.access = AccessService(self.database, folder, settings.access == ENROLLED)
        self.fleet = FleetService(
            self.database, self.board, self.live, self.access, settings.max_offences
        )
        self.runs = RunService(
            self.database,
            self.fleet.fleet,
            self.board,
            self.exchange,
            self.live,
            folder / "runs",
            settings.twins_dir or folder / "twins",
            self.blobs,
        )
        self.tally = Tally()
        self.recorder = None if settings.influx is None else self._make_recorder(settings.influx)
        """Writes to InfluxDB; None where none is configured."""
        self._started = time.monotonic()
        self._ticker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the store, remember the fleet, resume the runs."""
        try:
            self.settings.state_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FedbedError(
                f"the state folder '{self.settings.state_dir}' can't be made ({error.strerror}): "
                "give another with --state-dir"
            ) from error
        self.database.start()
        self.live.remember(self.database.read(_latest_events))
        self.live.on_event = self._keep_event
        self.access.start()
        self.fleet.run_of = self.runs.run_of
        self.fleet.on_change = self.runs.fleet_changed
        self.fleet.start()
        self.exchange.judge.on_refused = self.fleet.conduct.refused
        self.runs.on_over = self.fleet.run_is_over
        self.exchange.start()
        self.runs.on_publish = self._published
        self.runs.on_end = self._ended
        if self.recorder is not None:
            self.recorder.start()
            self.exchange.on_taken = self.recorder.taken
            self.runs.samples = self.recorder.samples
        self.runs.start()
        self._ticker = asyncio.create_task(self._tick())

    def answer_waiters(self) -> None:
        """Answer open polls and watchers: the server closes their connections after that."""
        self.fleet.stop()
        self.live.changed()

    async def stop(self) -> None:
        """Stop in the opposite order; what was acknowledged is on disk."""
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
        self.fleet.stop()
        await self.runs.stop()
        if self.recorder is not None:
            await self.recorder.stop()
        self.database.stop()

    def snapshot(self) -> dict[str, Any]:
        """The whole picture, for the live page and the command line."""
        return {
            "version": self.live.version,
            "coordinator": {
                "version": __version__,
                "uptime_s": round(time.monotonic() - self._started, 1),
                "trouble": self.space.trouble,
            },
            "nodes": self.fleet.snapshot(),
            "runs": self.runs.view.newest(),
            "events": self.live.events()[-40:],
        }

    def _make_recorder(self, influx: Influx) -> Recorder:
        # Its library takes a second to import and 15 MB, for nothing without a database.
        from coordinator.telemetry.recorder import Recorder

        return Recorder(
            influx, self.settings.state_dir, self.live, self.fleet, self.board, self.runs
        )

    def _published(self, run: ActiveRun, kind: str, data: Any) -> None:
        self.tally.published(run.id, kind, data)
        if self.recorder is not None:
            self.recorder.published(run, kind, data)

    def _ended(self, run_id: str, state: str, shown: Progress) -> None:
        self.tally.ended(run_id)
        if self.recorder is not None:
            self.recorder.ended(run_id, state, shown)

    def _keep_event(self, event: dict[str, Any], fault: bool) -> None:
        self.database.note(Row(_INSERT_EVENT, event))
        if self.recorder is not None:
            self.recorder.event(event, fault)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._look_at_disk()
            if self.runs.any_active():
                self.live.changed()

    def _look_at_disk(self) -> None:
        if self.exchange.has_no_room():
            self.board.hold(WAITING)
        else:
            self.board.release()
        with contextlib.suppress(OSError):
            if self.space.look():
                self.live.say(self.space.trouble or "the coordinator's disk has room again")


def _latest_events(session: Session) -> list[dict[str, Any]]:
    rows = session.query(tables.Event).order_by(tables.Event.id.desc()).limit(EVENTS_KEPT)
    return [
        {"at": r.at, "run": r.run, "node": r.node, "text": r.text} for r in reversed(list(rows))
    ]
