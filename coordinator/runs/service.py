"""The queue of runs: submission, start when there are nodes, resumption, end."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from coordinator.fleet.fleet import Fleet, Member
from coordinator.live import Live
from coordinator.runs.active import ActiveRun
from coordinator.runs.board import Board
from coordinator.runs.exchange import Exchange
from coordinator.runs.progress import ENDED, Progress
from coordinator.runs.roster import Candidate, choose, vacancies
from coordinator.runs.spec import RunSpec, new_run_id
from coordinator.runs.window import Verdict, Window
from coordinator.store import tables
from coordinator.store.database import Database
from fedbed.errors import NodesMissing, NotFound, RunFailed

log = logging.getLogger("fedbed.runs")
MAX_STARTS = 4
"""A run whose process dies without a word is resumed; after that often it fails."""
STOP_PATIENCE_S = 10.0
"""How long a stopped run may take to write down its results."""
ENDED_KEPT = 40
"""Ended runs whose rounds stay in memory."""


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
        blobs_dir: Path,
    ) -> None:
        self._database = database
        self._fleet = fleet
        self._board = board
        self._exchange = exchange
        self._live = live
        self._runs_dir = runs_dir
        self._blobs_dir = blobs_dir
        self._queue: dict[str, RunSpec] = {}
        self._lacking_since: dict[str, float] = {}
        self._explanations: dict[str, str] = {}
        self._active: dict[str, ActiveRun] = {}
        self._ended: dict[str, Progress] = {}
        self._drivers: dict[str, asyncio.Task[None]] = {}
        self._stopping = False
        self._dispatch_timer: asyncio.TimerHandle | None = None
        self._window_timers: dict[str, asyncio.TimerHandle] = {}
        self._run_by_node: dict[str, str] = {}

    def start(self) -> None:
        """Resume the runs that were under way, queue those that were waiting."""
        self._exchange.on_reply = self._on_reply
        self._board.on_wait = self._check_later
        rows = self._database.read(
            lambda s: list(
                s.query(tables.Run)
                .filter(tables.Run.state.not_in(ENDED))
                .order_by(tables.Run.submitted_at)
            )
        )
        for row in rows:
            spec = RunSpec.of(row.spec)
            if row.state == "running":
                roster = {int(p): n for p, n in row.roster.items()}
                self._begin(row.id, spec, row.number, roster, row.starts)
            else:
                self._queue[row.id] = spec

    async def stop(self) -> None:
        """End the processes; their runs stay under way in the database."""
        self._stopping = True
        if self._dispatch_timer is not None:
            self._dispatch_timer.cancel()
        for timer in self._window_timers.values():
            timer.cancel()
        await asyncio.gather(*(run.stop() for run in self._active.values()))
        await asyncio.gather(*self._drivers.values())

    async def submit(self, spec: RunSpec) -> str:
        """Queue a run; returns its id. ExperimentError if it can't be run whatever the nodes."""
        spec.check()
        run_id = new_run_id(spec.name)
        folder = self._runs_dir / run_id
        folder.mkdir(parents=True)
        row = tables.Run(
            id=run_id,
            number=secrets.randbits(62),
            kind=spec.kind,
            state="queued",
            spec=asdict(spec),
            roster={},
            submitted_at=time.time(),
        )
        await self._database.write(lambda s: s.add(row))
        self._queue[run_id] = spec
        self._live.say(f"run {run_id} was submitted", run=run_id)
        self.dispatch()
        return run_id

    async def cancel(self, run_id: str) -> None:
        """Stop a run for good; NotFound if there is none, RunFailed if it has ended."""
        if run_id in self._queue:
            self._unqueue(run_id)
            await self._end(run_id, "stopped", "", "stopped by an operator before it began")
            return
        run = self._active.get(run_id)
        if run is None:
            state = self.row(run_id).state
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
        return self._run_by_node.get(node)

    def row(self, run_id: str) -> tables.Run:
        """Return what the database holds of a run; NotFound if nothing."""
        row = self._database.read(lambda s: s.get(tables.Run, run_id))
        if row is None:
            raise NotFound(f"there is no run '{run_id}'")
        return row

    def folder(self, run_id: str) -> Path:
        """Return the folder of a run's results."""
        return self._runs_dir / self.row(run_id).id

    def fleet_changed(self) -> None:
        """A node came, went or changed: newcomers fill vacancies, the queue may move."""
        for run in self._active.values():
            self._fill_vacancies(run)
            run.fleet_changed()
        self.dispatch()
        self._live.changed()

    def window_closed(self, window: Window, verdict: Verdict) -> None:
        """The board closed a run's window."""
        timer = self._window_timers.pop(window.id, None)
        if timer is not None:
            timer.cancel()
        run = self._active.get(window.run)
        if run is not None:
            run.window_closed(window, verdict)
        self._live.changed()

    def dispatch(self) -> None:
        """Start what can start, in order of submission."""
        if self._stopping:
            return
        if self._dispatch_timer is not None:
            self._dispatch_timer.cancel()
            self._dispatch_timer = None
        now = time.monotonic()
        waits: list[float] = []
        for run_id, spec in list(self._queue.items()):
            choice = choose(spec.need(), [self._candidate(m, spec) for m in self._fleet])
            if choice.nodes:
                self._unqueue(run_id)
                roster = dict(enumerate(choice.nodes))
                self._begin(run_id, spec, self.row(run_id).number, roster, 0)
                continue
            self._explanations[run_id] = choice.explanation
            if choice.blocked_by_runs:
                self._lacking_since.pop(run_id, None)
                continue
            since = self._lacking_since.setdefault(run_id, now)
            left = since + spec.start_timeout_s() - now
            if left <= 0:
                self._unqueue(run_id)
                text = f"{choice.explanation} (waited {spec.start_timeout_s():.0f} s)"
                self._spawn(run_id, self._end(run_id, "failed", NodesMissing.__name__, text))
                continue
            waits.append(left)
        if waits:
            # One timer for the whole queue: each firing looks at all of it.
            loop = asyncio.get_running_loop()
            self._dispatch_timer = loop.call_later(min(*waits, 1.0) + 0.01, self.dispatch)
        self._live.changed()

    def _unqueue(self, run_id: str) -> None:
        del self._queue[run_id]
        self._lacking_since.pop(run_id, None)
        self._explanations.pop(run_id, None)

    def snapshot(self, limit: int = 20) -> list[dict[str, Any]]:
        """Describe the newest runs, newest first."""
        rows = self._database.read(
            lambda s: list(
                s.query(tables.Run).order_by(tables.Run.submitted_at.desc()).limit(limit)
            )
        )
        return [self.describe(row, brief=True) for row in rows]

    def describe(self, row: tables.Run, brief: bool = False) -> dict[str, Any]:
        """Describe one run for people and programs."""
        progress, wait = self._progress_of(row)
        spec = RunSpec.of(row.spec)
        need = spec.need()
        return {
            "id": row.id,
            "name": spec.name,
            "kind": row.kind,
            "seed": spec.seed,
            "state": "running" if row.id in self._active else row.state,
            "wait": wait,
            "nodes": need.nodes,
            "roster": self._roster_names(row.id),
            "submitted_at": row.submitted_at,
            "started_at": row.started_at,
            "ended_at": row.ended_at,
            "error_code": row.error_code,
            "error": row.error,
            "resumed": max(0, row.starts - 1),
            **progress.snapshot(brief),
        }

    def _progress_of(self, row: tables.Run) -> tuple[Progress, str]:
        run_id = row.id
        run = self._active.get(run_id)
        if run is not None:
            return run.progress, run.wait_explained()
        if run_id in self._queue:
            since = self._lacking_since.get(run_id)
            text = self._explanations.get(run_id, "")
            if since is not None:
                left = since + self._queue[run_id].start_timeout_s() - time.monotonic()
                text += f"; gives up in {max(0.0, left):.0f} s"
            return Progress(), text
        return self._past(row), ""

    def _past(self, row: tables.Run) -> Progress:
        if row.id not in self._ended:
            rounds = self._database.read(
                lambda s: list(
                    s.query(tables.Round).filter_by(run=row.id).order_by(tables.Round.number)
                )
            )
            done = [r.summary for r in rounds]
            progress = Progress(
                phase=row.state, round=len(done), rounds=len(done), rounds_done=done
            )
            if row.state not in ENDED:
                return progress
            self._remember(row.id, progress)
        return self._ended[row.id]

    def _remember(self, run_id: str, progress: Progress) -> None:
        """Keep the latest ended runs at hand; the others are read when somebody asks."""
        self._ended[run_id] = progress
        while len(self._ended) > ENDED_KEPT:
            del self._ended[next(iter(self._ended))]

    def _roster_names(self, run_id: str) -> list[str]:
        run = self._active.get(run_id)
        return [] if run is None else [m.name for _, m in sorted(run.members().items())]

    def any_active(self) -> bool:
        """Whether a run is under way or queued."""
        return bool(self._active or self._queue)

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
        run.progress.started = time.monotonic()
        self._active[run_id] = run
        for node in roster.values():
            self._run_by_node[node] = run_id
            self._board.on_wake(node)
        self._spawn(run_id, self._drive(run, starts))

    async def _drive(self, run: ActiveRun, starts: int) -> None:
        """Keep the run's process going until it says how the run ended."""
        verb = "goes on" if starts else "begins"
        self._live.say(f"run {run.id} {verb} with {len(run.roster)} nodes", run=run.id)
        try:
            await self._keep_going(run, starts)
        except Exception as error:
            # A fault of ours must not leave a run that nobody drives and nobody can stop.
            log.exception("%s can't be driven any further", run.id)
            text = f"a fault of the coordinator ({type(error).__name__}: {error})"
            run.outcome = _failed(text)
            await run.stop()
        self._board.cancel(run.id)
        if self._stopping and run.outcome is None:
            return
        outcome = run.outcome or {"op": "stopped", "detail": "stopped; its process had died"}
        state = str(outcome["op"])
        self._active.pop(run.id, None)
        self._run_by_node = {n: r for n, r in self._run_by_node.items() if r != run.id}
        run.progress.enter(state)
        self._remember(run.id, run.progress)
        await self._end(run.id, state, str(outcome.get("code", "")), str(outcome.get("detail", "")))
        for node in run.roster.values():
            self._board.on_wake(node)
        self.dispatch()

    async def _keep_going(self, run: ActiveRun, starts: int) -> None:
        """Start the process, and again when it dies: MAX_STARTS times without a round between."""
        in_vain = 0

        def unwanted() -> bool:
            return self._is_stopping() or run.stop_asked

        while run.outcome is None and not unwanted():
            if in_vain == MAX_STARTS:
                words = run.process.last_words()
                run.outcome = _failed(f"the run's process died {in_vain} times ({words})")
                return
            starts += 1
            rounds = len(run.progress.rounds_done)
            await self._database.write(partial(_mark_running, run=run, starts=starts))
            await run.process.start(self._order(run, resume=starts > 1))
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
                )

    def _is_stopping(self) -> bool:
        return self._stopping

    def _order(self, run: ActiveRun, resume: bool) -> dict[str, Any]:
        return {
            "op": "start",
            "run": run.id,
            "number": run.number,
            "spec": asdict(run.spec),
            "folder": str((self._runs_dir / run.id).resolve()),
            "blobs": str(self._blobs_dir.resolve()),
            "partitions": run.spec.need().nodes,
            "resume": resume,
        }

    async def _end(self, run_id: str, state: str, code: str, detail: str) -> None:
        def store(session: Session) -> None:
            row = session.get(tables.Run, run_id)
            if row is not None:
                row.state, row.error_code, row.error = state, code, detail
                row.ended_at = time.time()
            # Or the next life of the coordinator would welcome results that nobody waits for.
            still_open = session.query(tables.Work).filter_by(run=run_id, state="open")
            still_open.update({"state": "cancelled"})

        await self._database.write(store)
        said = f"run {run_id} {state}" + (f": {detail}" if detail else "")
        self._live.say(said, run=run_id)

    def _spawn(self, run_id: str, work: Any) -> None:
        task = asyncio.create_task(work)
        self._drivers[run_id] = task
        task.add_done_callback(lambda _t: self._drivers.pop(run_id, None))

    def _on_reply(self, run_id: str, message: dict[str, Any]) -> None:
        run = self._active.get(run_id)
        if run is not None:
            run.process.tell(message)
        self._live.changed()

    def _on_publish(self, run: ActiveRun, message: dict[str, Any]) -> None:
        kind = message.get("kind")
        data = message.get("data", {})
        if kind == "phase":
            run.progress.enter(**data)
        elif kind == "round":
            run.progress.rounds_done.append(data)
            self._database.note(
                lambda s: s.merge(tables.Round(run=run.id, number=data["round"], summary=data))
            )
        elif kind == "twin":
            run.progress.twin_done.append(data)
        elif kind == "traffic":
            run.progress.bytes_up = int(data["up"])
            run.progress.bytes_down = int(data["down"])
        elif kind == "history":
            run.progress.rounds_done = list(data)
        elif kind == "event":
            self._live.say(str(data), run=run.id)
        self._live.changed()

    def _fill_vacancies(self, run: ActiveRun) -> None:
        gone = [n for n in run.roster.values() if not self._fleet.has(n) or self._has_left(n)]
        free = vacancies(run.spec.need().nodes, run.roster, gone)
        if not free:
            return
        need = run.spec.need()
        newcomers = choose(
            type(need)(len(free), 1, need.labels, need.names),
            [self._candidate(m, run.spec) for m in self._fleet],
        ).nodes
        for partition, node in zip(free, newcomers, strict=False):
            self._run_by_node.pop(run.roster.get(partition, ""), None)
            self._run_by_node[node] = run.id
            run.roster[partition] = node
            name = self._fleet.get(node).name
            self._live.say(f"{name} takes part as partition {partition}", run=run.id, node=node)
            self._board.on_wake(node)
        if newcomers:
            roster = {str(p): n for p, n in run.roster.items()}
            self._database.note(lambda s: _mark_roster(s, run.id, roster))

    def _has_left(self, node: str) -> bool:
        return self._fleet.get(node).contact.left

    def _check_later(self, window_id: str, until: float) -> None:
        """Have a window looked at again when time alone may close it: one timer per window."""
        timer = self._window_timers.pop(window_id, None)
        if timer is not None:
            timer.cancel()
        delay = min(max(0.0, until - self._board.clock()) + 0.005, 3600.0)
        loop = asyncio.get_running_loop()
        self._window_timers[window_id] = loop.call_later(delay, self._look_again, window_id)

    def _look_again(self, window_id: str) -> None:
        self._window_timers.pop(window_id, None)
        self._board.check(window_id)

    def _candidate(self, member: Member, spec: RunSpec) -> Candidate:
        return Candidate(
            id=member.id,
            name=member.name,
            labels=member.labels,
            live=member.live,
            drained=member.drained,
            busy_with=self.run_of(member.id),
            lacks=spec.lacks(member),
        )


def _failed(detail: str) -> dict[str, Any]:
    return {"op": "failed", "code": RunFailed.__name__, "detail": detail}


def _mark_running(session: Session, run: ActiveRun, starts: int) -> None:
    row = session.get(tables.Run, run.id)
    if row is not None:
        row.state, row.starts = "running", starts
        row.started_at = row.started_at or time.time()
        row.roster = {str(p): n for p, n in run.roster.items()}


def _mark_roster(session: Session, run_id: str, roster: dict[str, str]) -> None:
    row = session.get(tables.Run, run_id)
    if row is not None:
        row.roster = roster
