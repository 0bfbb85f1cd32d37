"""One exchange with nodes: items out, results in, and the decision when it closes. Pure.

A window is what Flower's `send_and_receive` is to a strategy: a round's training, its evaluation,
or any other set of messages that an app sends.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from fedbed.units import format_duration, format_names

_MOST_NAMED = 6

TOO_LATE = "too late"
"""Why a part is missing whose node was at work when its window closed."""


class SlotState(StrEnum):
    """Where one node's part stands."""

    OUT = "out"
    IN = "in"
    FAILED = "failed"


@dataclass(frozen=True)
class Pace:
    """Whom a window waits for no longer: once `count` results are in, those that take `factor`
    times as long as they did, though never less than `least_s` seconds. Needs a quorum, too.
    """

    count: int
    factor: float
    least_s: float


@dataclass(frozen=True)
class Rules:
    """When a window closes.

    quorum: least number of results that count. enough: close as soon as that many are in (with
    over-selection it is less than were asked). rejoin_grace_s: how long a lost node is waited for
    while the others are already in.
    """

    quorum: int
    enough: int
    deadline_s: float
    rejoin_grace_s: float = 0.0
    pace: Pace | None = None


@dataclass
class Slot:
    """One node's part."""

    item: str
    node: str
    name: str
    state: SlotState = SlotState.OUT
    lost_since: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether the window is closed and why; `check_at` is when time alone may change that."""

    closed: bool
    reason: str
    quorum_met: bool
    check_at: float


@dataclass
class Window:
    """The exchange called `label`, opened at `opened_at` (seconds of a monotonic clock)."""

    id: str
    run: str
    label: str
    rules: Rules
    opened_at: float
    slots: dict[str, Slot] = field(default_factory=dict)
    _of_node: dict[str, list[Slot]] = field(default_factory=dict)
    _counts: Counter[SlotState] = field(default_factory=Counter)
    _lost: int = 0
    """How many of those that are out have lost contact."""
    _paced_s: float = math.inf
    """What the pace allows, as soon as that is known."""

    def add(self, slot: Slot) -> None:
        """Add a part; counted here, so that an arrival costs the same however many there are."""
        self.slots[slot.item] = slot
        self._of_node.setdefault(slot.node, []).append(slot)
        self._count(slot, 1)

    def of_node(self, node: str) -> list[Slot]:
        """Return the parts of a node: one, or those of the virtual nodes that it plays."""
        return self._of_node.get(node, [])

    def settle(self, item: str, state: SlotState, reason: str, now: float) -> None:
        """A part came in, or failed for good; KeyError for an item that isn't one of ours."""
        slot = self.slots[item]
        self._count(slot, -1)
        slot.state, slot.reason = state, reason
        self._count(slot, 1)
        pace = self.rules.pace
        if (
            pace is not None
            and self._paced_s == math.inf
            and self.count(SlotState.IN) >= pace.count
        ):
            self._paced_s = max(pace.least_s, pace.factor * (now - self.opened_at))

    def contact(self, slot: Slot, lost_since: float | None) -> None:
        """The node of a part was lost at a time, or is back: None."""
        self._count(slot, -1)
        slot.lost_since = lost_since
        self._count(slot, 1)

    def count(self, state: SlotState) -> int:
        """Number of slots in a state."""
        return self._counts[state]

    def _count(self, slot: Slot, by: int) -> None:
        self._counts[slot.state] += by
        if slot.state is SlotState.OUT and slot.lost_since is not None:
            self._lost += by

    def verdict(self, now: float) -> Verdict:
        """Decide from what is known now."""
        rules = self.rules
        arrived = self.count(SlotState.IN)
        met = arrived >= rules.quorum
        deadline = self.opened_at + self.limit_s
        if arrived >= max(rules.enough, rules.quorum):
            return Verdict(True, "all in", True, deadline)
        if self.count(SlotState.OUT) == 0:
            return Verdict(True, "nobody is left to wait for", met, deadline)
        if now >= deadline:
            return Verdict(True, "deadline", met, deadline)
        latest = self._hope_until()
        if met and latest <= now:
            return Verdict(True, "the others were lost", True, deadline)
        # Without a quorum the window stays open to the deadline: the lost may come back.
        return Verdict(False, "", met, min(deadline, latest) if latest > now else deadline)

    def explain(self, now: float) -> str:
        """Say what is awaited, of whom, and for how long at most."""
        arrived = self.count(SlotState.IN)
        parts = [f"{self.label}: {arrived} of {len(self.slots)} in"]
        out = [slot for slot in self.slots.values() if slot.state is SlotState.OUT]
        working = Counter(slot.name for slot in out if slot.lost_since is None)
        if working:
            # Of a node with several parts it is said how many.
            times = [name if n == 1 else f"{name} ({n})" for name, n in working.items()]
            parts.append(f"waiting for {format_names(times, _MOST_NAMED)}")
        lost = {slot.name: slot.lost_since for slot in out if slot.lost_since is not None}
        parts.extend(f"{name} silent for {format_duration(now - at)}" for name, at in lost.items())
        failed = Counter(
            (slot.name, slot.reason)
            for slot in self.slots.values()
            if slot.state is SlotState.FAILED
        )
        parts.extend(
            f"{name} failed {f'{n} times ' if n > 1 else ''}({reason})"
            for (name, reason), n in failed.items()
        )
        parts.append(f"closes in {format_duration(self.seconds_left(now))} at the latest")
        return "; ".join(parts)

    def seconds_left(self, now: float) -> float:
        """Seconds until the window closes at the latest, as far as is known."""
        return max(0.0, self.opened_at + self.limit_s - now)

    @property
    def limit_s(self) -> float:
        """Seconds that the window may stay open, as far as is known."""
        has_quorum = self.count(SlotState.IN) >= self.rules.quorum
        return min(self.rules.deadline_s, self._paced_s if has_quorum else math.inf)

    def _hope_until(self) -> float:
        """Until when a part may still come in: for ever while a node of those out is there."""
        if self._counts[SlotState.OUT] > self._lost:
            return float("inf")
        since = [
            slot.lost_since
            for slot in self.slots.values()
            if slot.state is SlotState.OUT and slot.lost_since is not None
        ]
        return max(since) + self.rules.rejoin_grace_s
