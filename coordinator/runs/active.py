"""A run that has its nodes: the process that drives it and what that process may ask."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from coordinator.fleet.fleet import Fleet, Member
from coordinator.runs.board import Board
from coordinator.runs.exchange import Exchange
from coordinator.runs.process import RunProcess
from coordinator.runs.progress import Progress
from coordinator.runs.roster import alias
from coordinator.runs.spec import RunSpec
from coordinator.runs.window import TOO_LATE, SlotState, Verdict, Window
from fedbed import codec
from fedbed.errors import FedbedError
from fedbed.units import format_duration

log = logging.getLogger("fedbed.runs")
AskSamples = Callable[[float, float], Awaitable[dict[str, Any]]]


class ActiveRun:
    """One run in progress. Messages of its process arrive at `handle`, one at a time."""

    def __init__(
        self,
        run_id: str,
        spec: RunSpec,
        number: int,
        folder: Path,
        roster: dict[int, str],
        fleet: Fleet,
        board: Board,
        exchange: Exchange,
        on_publish: Callable[[ActiveRun, dict[str, Any]], None],
        on_open: Callable[[str], Any],
    ) -> None:
        self.id = run_id
        self.spec = spec
        self.number = number
        self.roster = roster
        self.progress = Progress(phase="starting")
        self.outcome: dict[str, Any] | None = None
        """The process's last word: {"op": "finished"} or {"op": "failed", ...}."""
        self.waiting_for_nodes = ""
        self.samples: AskSamples | None = None
        """Finds out what nodes' probes have measured between two times (seconds since 1970); None
        where no database is configured."""
        self._fleet = fleet
        self._board = board
        self._exchange = exchange
        self._on_publish = on_publish
        self._on_open = on_open
        self._fleet_changed = asyncio.Event()
        self.stop_asked = False
        self._watching = ""
        """The window under which the process wants to hear who is there; empty: it doesn't."""
        self._seen: dict[int, str] | None = None
        """Whom it has heard of last: node by partition."""
        self._removed: dict[str, list[str]] = {}
        """Window -> partitions that it asks nobody, because their node was removed."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.process = RunProcess(folder, self.handle)

    def members(self) -> dict[int, Member]:
        """The nodes of the run by partition; those that were removed are left out."""
        return {p: self._fleet.get(n) for p, n in self.roster.items() if self._fleet.has(n)}

    def names(self) -> list[str]:
        """Names of the run's nodes, in order of their first partition."""
        return [member.name for member in _each(self.members())]

    def fleet_changed(self) -> None:
        """A node came or went: who waits for nodes looks again."""
        self._fleet_changed.set()
        self._fleet_changed = asyncio.Event()
        self._tell_who_is_there()

    def wait_explained(self) -> str:
        """Say what the run waits for right now; empty if for nothing."""
        now = self._board.clock()
        open_now = [window.explain(now) for window in self._board.windows_of(self.id)]
        waits = (
            self._board.held
            or self.progress.blocked
            or " / ".join(open_now[:3])
            or self.waiting_for_nodes
        )
        troubles = [f"{m.name}: {m.trouble}" for m in _each(self.members()) if m.trouble]
        return "; ".join([waits, *troubles[:3]] if waits else troubles[:3])

    async def handle(self, message: dict[str, Any]) -> None:
        """Act on a message of the run's process."""
        op = message.get("op")
        if op == "nodes":
            self._answer(self._answer_nodes(message))
        elif op == "samples":
            self._answer(self._answer_samples(float(message["begin"]), float(message["end"])))
        elif op == "send":
            await self._send(message)
        elif op == "watch":
            self._watching, self._seen = str(message["window"]), None
            self._tell_who_is_there()
        elif op == "withdraw":
            for window in message["windows"]:
                self._board.withdraw(str(window))
        elif op == "publish":
            self._on_publish(self, message)
        elif op == "refused":
            self._exchange.judge.refused_later(self.id, message)
        elif op in ("finished", "failed", "stopped"):
            self.outcome = message
        else:
            log.warning("%s: the run's process said %r, which means nothing", self.id, op)

    def window_closed(self, window: Window, verdict: Verdict) -> None:
        """Tell the process that the exchange is over, and who is missing from it."""
        # By the item, not by the roster: a newcomer may have taken the node's place since.
        missing = {
            slot.item.rsplit(".", 1)[1]: _why_missing(slot.state, slot.reason, slot.lost_since)
            for slot in window.slots.values()
            if slot.state is not SlotState.IN
        }
        missing.update(dict.fromkeys(self._removed.pop(window.id, []), "its node was removed"))
        self.process.tell(
            {
                "event": "closed",
                "window": window.id,
                "reason": verdict.reason,
                "quorum_met": verdict.quorum_met,
                "limit_s": window.limit_s,
                "missing": missing,
                "failed": [
                    int(slot.item.rsplit(".", 1)[1])
                    for slot in window.slots.values()
                    if slot.state is SlotState.FAILED
                ],
            }
        )
        late = [s.item for s in window.slots.values() if s.state is not SlotState.IN]
        self._exchange.close(window.id, late, len(window.slots))

    def ask_to_stop(self) -> None:
        """Let the process write down what there is, and end."""
        self.stop_asked = True
        self.process.tell({"event": "stop"})

    async def stop(self) -> None:
        """End the process and everything that waits on its behalf."""
        self.forget_questions()
        await self.process.stop()

    def forget_questions(self) -> None:
        """The process is gone: its successor must not get the answers to its questions."""
        self._watching = ""
        for task in list(self._tasks):
            task.cancel()

    def _answer(self, answer: Coroutine[Any, Any, None]) -> None:
        """Answer a question of the process, which may take a while."""
        task = asyncio.create_task(answer)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_samples(self, begin: float, end: float) -> None:
        found: dict[str, Any] = {"error": "the coordinator can't tell"}
        try:
            if self.samples is not None:
                found = await self.samples(begin, end)
        finally:
            self.process.tell({"event": "samples", **found})

    async def _send(self, message: dict[str, Any]) -> None:
        members = self.members()
        try:
            wanted = message["items"]
            message["items"] = [i for i in wanted if int(i["partition"]) in members]
            self._removed[message["window"]] = [
                str(i["partition"]) for i in wanted if int(i["partition"]) not in members
            ]
            for item in message["items"]:
                member = members[int(item["partition"])]
                item["compressor"] = member.compressors[0]
                if item["codec"] not in member.profile.codecs:
                    item["codec"] = codec.LOSSLESS
            await self._exchange.send(self.id, message, members)
        except FedbedError as error:
            refusal = {"event": "refused", "code": error.code, "detail": str(error)}
            self.process.tell(dict(refusal, window=message["window"]))
            return
        for member in _each(members):
            if not member.live:
                self._board.node_lost(member.id)
        self._on_open(message["window"])

    def _tell_who_is_there(self) -> None:
        """Tell a process that watches of all who can take part, where that has changed."""
        if not self._watching:
            return
        live = self._live()
        there = {p: member.id for p, member in live.items()}
        if there != self._seen:
            self._seen = there
            nodes = self._described(live)
            self.process.tell({"event": "nodes", "window": self._watching, "nodes": nodes})

    def _live(self) -> dict[int, Member]:
        return {p: m for p, m in self.members().items() if m.live and not m.drained}

    async def _answer_nodes(self, message: dict[str, Any]) -> None:
        """Tell the process who can take part, once that is enough of them or the time is up.

        All live: at once. At least `at_least` live: after `grace_s`. Fewer: after `timeout_s`,
        and the process decides what to make of it.
        """
        begin = time.monotonic()
        at_least, timeout_s = int(message["at_least"]), float(message["timeout_s"])
        grace_s = min(float(message["grace_s"]), timeout_s)
        try:
            while True:
                members, live = self.members(), self._live()
                waited = time.monotonic() - begin
                enough = len(live) >= at_least
                limit = grace_s if enough else timeout_s
                # A drained node gets no work, so it isn't waited for where the others are enough.
                drained = sum(m.drained for m in members.values()) if enough else 0
                if len(live) + drained == len(self.roster) or waited >= limit:
                    break
                nodes = len(_each(members))
                away = [_named(m) for m in _each(members) if not m.live or m.drained]
                self.waiting_for_nodes = (
                    f"{nodes - len(away)} of {len(set(self.roster.values()))} nodes are here; "
                    f"waiting for {', '.join(away)}, {format_duration(limit - waited)} at most"
                )
                try:
                    async with asyncio.timeout(min(limit - waited, 1.0)):
                        await self._fleet_changed.wait()
                except TimeoutError:
                    continue
        finally:
            self.waiting_for_nodes = ""
        self.process.tell(
            {
                "event": "nodes",
                "enough": enough,
                "nodes": self._described(live),
                "away": sorted({_named(m) for p, m in members.items() if p not in live}),
            }
        )

    def _described(self, members: Mapping[int, Member]) -> list[dict[str, Any]]:
        return [
            {
                "partition": p,
                "name": alias(m.name, p, self.spec.is_virtual),
                "node": m.name,
                "compressors": m.compressors,
                "profile": vars(m.profile),
                "agent": vars(m.cost),
                "labels": m.labels,
            }
            for p, m in sorted(members.items())
        ]


def _each(members: Mapping[int, Member]) -> list[Member]:
    """Each node once, in order of its first partition."""
    return list({member.id: member for _, member in sorted(members.items())}.values())


def _named(member: Member) -> str:
    return f"{member.name} (drained)" if member.drained else member.name


def _why_missing(state: SlotState, reason: str, lost_since: float | None) -> str:
    if state is SlotState.FAILED:
        return reason
    return "the node was lost" if lost_since is not None else TOO_LATE
