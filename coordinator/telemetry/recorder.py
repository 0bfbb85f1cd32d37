"""Watches the coordinator as people do, and has what it sees written as points.

Rounds, parts of rounds and events are written as they happen; the states of nodes and runs when
they have changed, looked at a few times a second at most, and every ten seconds in any case.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from coordinator.fleet.service import FleetService
from coordinator.live import Live
from coordinator.runs.active import ActiveRun
from coordinator.runs.board import Board
from coordinator.runs.exchange import Taken
from coordinator.runs.progress import Progress
from coordinator.runs.service import RunService
from coordinator.runs.spec import RunSpec, experiment_of
from coordinator.settings import Influx
from coordinator.telemetry import points, samples
from coordinator.telemetry.points import NodeFacts, Part, RunFacts
from coordinator.telemetry.writer import Writer
from fedbed.link import records
from fedbed.telemetry.point import Point

REPEAT_S = 10.0
"""After so long a state is written again though it hasn't changed."""
LOOK_S = 0.2
"""Least time between two looks; `Live` gathers changes for some time before."""
SHARE = 0.02
"""Share of the event loop's time that looks may take: at a thousand nodes there are fewer."""


@dataclass
class _Known:
    """What is remembered of a run while it goes on."""

    metric: str
    dense: int | None = None
    ended_ns: dict[str, int] = field(default_factory=dict)
    """Node -> when its last part of a round was in."""


class Recorder:
    """Made once; `start` and `stop` in the event loop."""

    def __init__(
        self,
        influx: Influx,
        folder: Path,
        live: Live,
        fleet: FleetService,
        board: Board,
        runs: RunService,
    ) -> None:
        self._influx = influx
        self._live = live
        self._fleet = fleet
        self._board = board
        self._runs = runs
        self._folder = folder
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._known: dict[str, _Known] = {}
        self._nodes: dict[str, NodeFacts] = {}
        """As last written."""
        self._states: dict[str, RunFacts] = {}
        """Likewise."""
        self._process = psutil.Process()
        self.writer = Writer(influx, folder / "telemetry", self._tell)

    def start(self) -> None:
        """Begin to watch and to write."""
        self._loop = asyncio.get_running_loop()
        self._process.cpu_percent()  # from here on it counts
        self.writer.start()
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """End; what can't be delivered any more waits on disk for the next life."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._loop = None
        await asyncio.to_thread(self.writer.stop)

    def event(self, said: dict[str, Any], fault: bool) -> None:
        """Take in an event."""
        fleet = self._fleet.fleet
        name = fleet.get(said["node"]).name if fleet.has(said["node"]) else ""
        self.writer.put([points.event(said, name, fault)])

    def taken(self, taken: Taken) -> None:
        """Take in a node's part of an exchange."""
        item = taken.item
        fleet = self._fleet.fleet
        kind = item.kind.partition(".")[0]
        if not fleet.has(taken.node) or kind not in ("train", "evaluate"):
            return
        part = Part(
            run=item.run,
            node=fleet.get(taken.node).name,
            kind=kind,
            round=item.round,
            partition=item.partition,
            bytes_up=taken.size,
            upload_s=taken.upload_s,
            open_s=taken.open_s,
            timeline=taken.meta["timeline"],
            metrics=_metrics(taken.meta),
        )
        known = self._known.setdefault(item.run, _Known(""))
        if kind == "train" and taken.expect is not None:
            known.dense = points.dense_bytes(shape for _, _, shape in taken.expect)
        now = time.time_ns()
        before = known.ended_ns.get(part.node, 0)
        known.ended_ns[part.node] = now
        self.writer.put([points.exchange(part, now), *points.phases(part, now, before)])

    def published(self, run: ActiveRun, kind: str, data: Any) -> None:
        """Take in what a run's process shows."""
        if kind not in ("round", "twin"):
            return
        known = self._known.setdefault(run.id, _Known(""))
        known.metric = known.metric or run.spec.metric
        now = time.time_ns()
        if kind == "twin":
            point = points.twin(run.id, data, known.metric, now)
        else:
            point = points.round_done(run.id, data, known.metric, known.dense, now)
        self.writer.put([point])

    def ended(self, run_id: str, state: str, shown: Progress) -> None:
        """A run has ended."""
        self._known.pop(run_id, None)
        self._states.pop(run_id, None)
        spec = RunSpec.of(self._runs.ledger.row(run_id).spec)
        self.writer.put([points.run(_facts(run_id, spec, state, shown), time.time_ns())])

    async def samples(self, begin_s: float, end_s: float) -> dict[str, Any]:
        """Return what nodes' probes have measured between two times; see `samples.between`."""
        found = await samples.between(self._influx, begin_s, end_s)
        if found["error"]:
            self._live.say(f"a report has no samples: {found['error']}", fault=True)
        return found

    def _tell(self, line: str, is_trouble: bool) -> None:
        """Let people know of the writer's trouble; called by its thread."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed since
                loop.call_soon_threadsafe(lambda: self._live.say(line, fault=is_trouble))

    async def _watch(self) -> None:
        repeat_at = time.monotonic()
        while True:
            # Of before the look, so that what changes from here on ends the wait.
            version, began = self._live.version, time.monotonic()
            is_due = began >= repeat_at
            if is_due:
                repeat_at = began + REPEAT_S
            self.writer.put(self._look(is_due))
            took_s = time.monotonic() - began
            await asyncio.sleep(max(LOOK_S, took_s / SHARE))
            left_s = max(0.0, repeat_at - time.monotonic())
            await self._live.wait(version, left_s)

    def _look(self, everything: bool) -> list[Point]:
        """Return the states that have changed, or all of them."""
        now = time.time_ns()
        nodes = self._node_facts()
        states = self._run_facts()
        before, self._nodes = self._nodes, {facts.name: facts for facts in nodes}
        found = [points.node(n, now) for n in nodes if everything or before.get(n.name) != n]
        settled = {facts.id: replace(facts, round_age_s=0.0) for facts in states}
        earlier, self._states = self._states, settled
        found += [
            points.run(facts, now)
            for facts in states
            if everything or earlier.get(facts.id) != settled[facts.id]
        ]
        if everything:
            found.append(self._cost(nodes, now))
        return found

    def _node_facts(self) -> list[NodeFacts]:
        return [
            NodeFacts(
                member.name,
                str(self._fleet.state(member)),
                member.live,
                self._board.is_working(member.id),
                member.offences,
                self._runs.run_of(member.id) or "",
            )
            for member in self._fleet.fleet
        ]

    def _run_facts(self) -> list[RunFacts]:
        queued = [
            _facts(run_id, spec, "queued", Progress())
            for run_id, spec in self._runs.queued().items()
        ]
        active = [_facts(run.id, run.spec, "running", run.progress) for run in self._runs.active()]
        return queued + active

    def _cost(self, nodes: list[NodeFacts], now: int) -> Point:
        free = None
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(self._folder).free
        return points.coordinator(
            now,
            cpu=self._process.cpu_percent(),
            memory=self._process.memory_info().rss,
            disk_free=free,
            nodes_online=sum(facts.online for facts in nodes),
            nodes_training=sum(facts.training for facts in nodes),
            runs_waiting=len(self._runs.queued()),
            waiting=self.writer.waiting,
            dropped=self.writer.dropped,
        )


def _facts(run_id: str, spec: RunSpec, state: str, shown: Progress) -> RunFacts:
    task, strategy = spec.clientapp, spec.serverapp
    if spec.kind != "app":
        experiment = experiment_of(spec.experiment)
        task, strategy = experiment.task.name, experiment.federation.strategy.name
    return RunFacts(
        run_id,
        spec.name,
        task,
        shown.dataset,
        strategy,
        state,
        len(shown.rounds_done),
        shown.rounds,
        shown.round_age_s(),
    )


def _metrics(meta: dict[str, Any]) -> dict[str, Any]:
    """Return all metrics of a result, whose form has been checked."""
    found: dict[str, Any] = {}
    for record in meta["records"]:
        if record["kind"] == "metrics":
            found.update(records.unpack(record["values"]))
    return found
