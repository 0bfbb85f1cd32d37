"""Runs from submission to their end: queue, nodes, resumption."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Any

from coordinator.fleet.fleet import Fleet
from coordinator.live import Live
from coordinator.runs.active import ActiveRun, AskSamples
from coordinator.runs.alarms import Alarms
from coordinator.runs.board import Board
from coordinator.runs.exchange import Exchange
from coordinator.runs.ledger import RunLedger
from coordinator.runs.progress import Progress
from coordinator.runs.roster import choose, crowd, eligible, seat
from coordinator.runs.seating import Seating
from coordinator.runs.spec import RunSpec, new_run_id
from coordinator.runs.view import RunView
from coordinator.runs.waiting import WaitingRuns
from coordinator.runs.window import Verdict, Window
from coordinator.store.blobs import BlobStore
from coordinator.store.database import Database
from coordinator.store.space import ROOM_PAUSE_S, WAITING, unkept
from fedbed.disk import is_full
from fedbed.errors import FedbedError, NodesMissing, RunFailed

log = logging.getLogger("fedbed.runs")
MAX_STARTS = 4
"""A run whose process dies without a word is resumed; after that often without a round it fails."""
FLEET_PAUSE_S = 0.05
STOP_PATIENCE_S = 10.0
"""How long a stopped run may take to write down its results."""


class RunService:
    """All runs of this coordinator."""

    def __init__(
        self,
        database: Database,
        fleet: Fleet,
        board: Board,
        exchange: Exchange,
        live: Live,
        runs_dir: Path,
        twins_dir: Path,
        bundles: BlobStore,
    ) -> None:
        self._fleet = fleet
        self._board = board
        self._exchange = exchange
        self._live = live
        self._runs_dir = runs_dir
        self._twins_dir = twins_dir
        self._bundles = bundles
        self._waiting = WaitingRuns()
        self._active: dict[str, ActiveRun] = {}
        self._drivers: dict[str, asyncio.Task[None]] = {}
        self._stopping = False
        self._dispatch_timer: asyncio.TimerHandle | None = None
        self._fleet_timer: asyncio.TimerHandle | None = None
        self._looked_at = -FLEET_PAUSE_S
        self._alarms = Alarms(board.check, board.clock)
        self._seating = Seating(fleet)
        self.on_over: Callable[[str], Awaitable[None]] = _nothing
        """Awaited with a run's id before its end is known."""
        self.ledger = RunLedger(database)
        self.view = RunView(self.ledger, self._waiting, self._active)
        self.samples: AskSamples | None = None
        """As `ActiveRun.samples`."""
        self.on_publish: Callable[[ActiveRun, str, Any], None] = lambda _run, _kind, _data: None
        """Called with what a run's process shows, once it is taken in."""
        self.on_end: Callable[[str, str, Progress], None] = lambda _run, _state, _shown: None
        """Called with a run's last state, once that is on disk."""

    def start(self) -> None:
        """Resume the runs that were under way, queue those that were waiting."""
        self._exchange.on_reply = self._on_reply
        self._board.on_wait = self._alarms.set
        for row in self.ledger.unfinished():
            spec = RunSpec.of(row.spec)
            if row.state == "running":
                roster = {int(p): n for p, n in row.roster.items()}
                self._begin(row.id, spec, row.number, roster, row.starts)
            else:
                self._waiting.add(row.id, spec)

    async def stop(self) -> None:
        """End the processes; their runs stay under way in the database."""
        self._stopping = True
        if self._dispatch_timer is not None:
            self._dispatch_timer.cancel()
        if self._fleet_timer is not None:
            self._fleet_timer.cancel()
        self._alarms.stop()
        await asyncio.gather(*(run.stop() for run in self._active.values()))
        await asyncio.gather(*self._drivers.values())

    async def submit(self, spec: RunSpec) -> str:
        """Queue a run; returns its id. ExperimentError if it can't be run whatever the nodes."""
        # Reading a long experiment takes seconds.
        await asyncio.to_thread(spec.check)
        run_id = new_run_id(spec.name)
        folder = self._runs_dir / run_id
        folder.mkdir(parents=True)
        try:
            await self.ledger.add(run_id, secrets.randbits(62), spec)
        except Exception:
            folder.rmdir()
            raise
        self._waiting.add(run_id, spec)
        self._live.say(f"run {run_id} was submitted", run=run_id)
        self.dispatch()
        return run_id

    async def eligible(self, spec: RunSpec) -> list[str]:
        """Return the names of nodes that such a run may choose, at once or after other runs.

        NodesMissing, which says why, if there is none; ExperimentError as `submit`.
        """
        await asyncio.to_thread(spec.check)
        need, candidates = spec.need(), self._seating.candidates(spec)
        found = [candidate.name for candidate in eligible(need, candidates)]
        if not found:
            raise NodesMissing(f"no node can take part: {choose(need, candidates).explanation}")
        return found

    async def cancel(self, run_id: str) -> None:
        """Stop a run for good; NotFound if there is none, RunFailed if it has ended."""
        if run_id in self._waiting:
            self._waiting.remove(run_id)
            text = "stopped by an operator before it began"
            await self._end(run_id, {"op": "stopped", "detail": text}, Progress())
            return
        run = self._active.get(run_id)
        if run is None:
            state = self.ledger.row(run_id).state
            raise RunFailed(f"run {run_id} has ended already ({state})")
        run.ask_to_stop()
        driver = self._drivers[run_id]
        await asyncio.wait({driver}, timeout=STOP_PATIENCE_S)
        if not driver.done():
            run.outcome = {"op": "stopped", "detail": "its process had to be killed"}
            await run.stop()
            await driver

    def run_of(self, node: str) -> str | None:
        """Return the run that a node takes part in."""
        return self._seating.run_of(node)

    def folder(self, run_id: str) -> Path:
        """Return the folder of a run's results; NotFound if there is no such run."""
        return self._runs_dir / self.ledger.row(run_id).id

    def blobs_of(self, run_id: str) -> BlobStore:
        """Return a run's own blobs: nodes of other runs can't ask for them."""
        return BlobStore(self._runs_dir / run_id / "blobs")

    def queued(self) -> dict[str, RunSpec]:
        """Return the runs that wait, in order of submission."""
        return self._waiting.specs()

    def active(self) -> list[ActiveRun]:
        """Return the runs that have their nodes."""
        return list(self._active.values())

    def any_active(self) -> bool:
        """Whether a run is under way or queued."""
        return bool(self._active or self._waiting)

    def fleet_changed(self) -> None:
        """A node came, went or changed: newcomers fill vacancies, the queue may move.

        When a thousand come at once they are looked at together, a few times a second.
        """
        if self._fleet_timer is not None:
            return
        loop = asyncio.get_running_loop()
        left = self._looked_at + FLEET_PAUSE_S - loop.time()
        if left > 0:
            self._fleet_timer = loop.call_later(left, self._look_at_fleet)
        else:
            self._look_at_fleet()

    def _look_at_fleet(self) -> None:
        self._fleet_timer = None
        self._looked_at = asyncio.get_running_loop().time()
        for run in self._active.values():
            self._fill_vacancies(run)
            run.fleet_changed()
        self.dispatch()
        self._live.changed()

    def window_closed(self, window: Window, verdict: Verdict) -> None:
        """The board closed a run's window."""
        self._alarms.unset(window.id)
        run = self._active.get(window.run)
        if run is not None:
            run.window_closed(window, verdict)
        self._live.changed()

    def dispatch(self) -> None:
        """Start what can start, in order of submission; end what has waited too long."""
        if self._stopping:
            return
        if self._dispatch_timer is not None:
            self._dispatch_timer.cancel()
            self._dispatch_timer = None
        now = time.monotonic()
        while (turn := self._waiting.next_turn(now, self._seating.candidates)) is not None:
            if turn.nodes:
                number = self.ledger.row(turn.run).number
                # With less nodes than it would like, a run has vacancies.
                filled = turn.spec.partitions if turn.spec.is_virtual else len(turn.nodes)
                self._begin(turn.run, turn.spec, number, seat(turn.nodes, filled), 0)
            else:
                outcome = {"op": "failed", "code": NodesMissing.__name__, "detail": turn.why}
                self._spawn(turn.run, self._end(turn.run, outcome, Progress()))
        left = self._waiting.look_again_in(now)
        if left is not None:
            # One timer for the whole queue: each firing looks at all of it.
            loop = asyncio.get_running_loop()
            self._dispatch_timer = loop.call_later(min(left, 1.0) + 0.01, self.dispatch)
        self._live.changed()

    def _begin(
        self, run_id: str, spec: RunSpec, number: int, roster: dict[int, str], starts: int
    ) -> None:
        run = ActiveRun(
            run_id,
            spec,
            number,
            self._runs_dir / run_id,
            roster,
            self._fleet,
            self._board,
            self._exchange,
            self._on_publish,
            self._board.check,
        )
        run.samples = self.samples
        run.progress.started = time.monotonic()
        self._active[run_id] = run
        self._seating.take(run_id, roster)
        for node in set(roster.values()):
            self._board.on_wake(node)
        self._spawn(run_id, self._drive(run, starts))

    async def _drive(self, run: ActiveRun, starts: int) -> None:
        """See a run to its end, however often its process has to be started."""
        verb = "goes on" if starts else "begins"
        who = crowd(len(run.roster), len(set(run.roster.values())))
        self._live.say(f"run {run.id} {verb} with {who}", run=run.id)
        try:
            await self._keep_going(run, starts)
        except FedbedError as error:
            run.outcome = {"op": "failed", "code": error.code, "detail": str(error)}
        except Exception as error:
            # A fault of ours must not leave a run that nobody drives and nobody can stop.
            log.exception("%s can't be driven any further", run.id)
            run.outcome = _failed(f"a fault of the coordinator ({type(error).__name__}: {error})")
            await run.stop()
        self._board.cancel(run.id)
        self._exchange.judge.forget(run.id)
        if self._stopping and run.outcome is None:
            return
        outcome = run.outcome or {"op": "stopped", "detail": "stopped; its process had died"}
        self._active.pop(run.id, None)
        self._seating.release(run.id)
        await self._end(run.id, outcome, run.progress)
        for node in set(run.roster.values()):
            self._board.on_wake(node)
        self.dispatch()

    async def _keep_going(self, run: ActiveRun, starts: int) -> None:
        """Start the process, and again when it dies: MAX_STARTS times without a round between."""
        in_vain = 0

        def unwanted() -> bool:
            return self._stopping or run.stop_asked

        while run.outcome is None and not unwanted():
            if in_vain == MAX_STARTS:
                words = run.process.last_words()
                run.outcome = _failed(f"the run's process died {in_vain} times ({words})")
                return
            starts += 1
            rounds = len(run.progress.rounds_done)
            await self.ledger.mark_running(run.id, run.roster, starts)
            await self._start(run, resume=starts > 1)
            # Either may have come while there was no process to tell.
            if self._is_stopping():
                await run.process.stop()
            elif run.stop_asked:
                run.ask_to_stop()
            exit_code = await run.process.serve()
            run.forget_questions()
            in_vain = 0 if len(run.progress.rounds_done) > rounds else in_vain + 1
            if run.outcome is None and not unwanted():
                self._board.suspend(run.id)
                words = run.process.last_words()
                self._live.say(
                    f"the process of {run.id} ended with code {exit_code}; resuming ({words})",
                    run=run.id,
                    fault=True,
                )

    async def _start(self, run: ActiveRun, resume: bool) -> None:
        """Start the run's process, once there is room for its log."""
        while True:
            try:
                await run.process.start(self._order(run, resume))
            except OSError as error:
                if not is_full(error) or self._stopping or run.stop_asked:
                    raise unkept(error) from error
                run.progress.blocked = WAITING
                await asyncio.sleep(ROOM_PAUSE_S)
            else:
                run.progress.blocked = ""
                return

    def _is_stopping(self) -> bool:
        return self._stopping

    def _order(self, run: ActiveRun, resume: bool) -> dict[str, Any]:
        bundle = run.spec.bundle
        return {
            "op": "start",
            "run": run.id,
            "number": run.number,
            "spec": asdict(run.spec),
            "folder": str((self._runs_dir / run.id).resolve()),
            "blobs": str(self.blobs_of(run.id).folder.resolve()),
            "bundle": None if bundle is None else str(self._bundles.path(bundle.sha256).resolve()),
            "twins": str(self._twins_dir.resolve()),
            "partitions": run.spec.partitions,
            "resume": resume,
            "has_samples": self.samples is not None,
        }

    async def _end(self, run_id: str, outcome: dict[str, Any], shown: Progress) -> None:
        state, detail = str(outcome["op"]), str(outcome.get("detail", ""))
        # Who looks before all of this is noted finds the run neither active nor ended.
        shown.enter(state)
        self.ledger.keep(run_id, shown)
        await self.on_over(run_id)
        await self.ledger.end(run_id, state, str(outcome.get("code", "")), detail, shown)
        await asyncio.to_thread(_tidy, self._runs_dir / run_id, state)
        said = f"run {run_id} {state}" + (f": {detail}" if detail else "")
        self._live.say(said, run=run_id, fault=state == "failed")
        self.on_end(run_id, state, shown)

    def _spawn(self, run_id: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._drivers[run_id] = task
        task.add_done_callback(lambda _t: self._drivers.pop(run_id, None))

    def _on_reply(self, run_id: str, message: dict[str, Any]) -> None:
        run = self._active.get(run_id)
        if run is not None:
            run.process.tell(message)
        self._live.changed()

    def _on_publish(self, run: ActiveRun, message: dict[str, Any]) -> None:
        kind, data = str(message.get("kind")), message.get("data", {})
        run.progress.take_in(kind, data)
        if kind == "round":
            self.ledger.note_round(run.id, data)
        elif kind in ("event", "fault"):
            self._live.say(str(data), run=run.id, fault=kind == "fault")
        self.on_publish(run, kind, data)
        self._live.changed()

    def _fill_vacancies(self, run: ActiveRun) -> None:
        newcomers = self._seating.fill(run.id, run.spec, run.roster)
        for newcomer in newcomers:
            self._live.say(newcomer.describe(), run=run.id, node=newcomer.node.id)
            self._board.on_wake(newcomer.node.id)
        if newcomers:
            self.ledger.note_roster(run.id, run.roster)


async def _nothing(_run: str) -> None:
    """Follows from a run's end where nobody has asked for more."""


def _tidy(folder: Path, state: str) -> None:
    """Remove what only a run under way needs; results stay, and what a failed one had learned."""
    for name in ("blobs", "spool", "app") + (() if state == "failed" else ("checkpoint",)):
        shutil.rmtree(folder / name, ignore_errors=True)


def _failed(detail: str) -> dict[str, Any]:
    return {"op": "failed", "code": RunFailed.__name__, "detail": detail}
