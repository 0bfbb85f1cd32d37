"""One exchange with nodes: items out, results in, and the decision when it closes. Pure.

A window is what Flower's `send_and_receive` is to a strategy: a round's training, its evaluation,
or any other set of messages that an app sends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from fedbed.units import format_duration


class SlotState(StrEnum):
    """Where one node's part stands."""

    OUT = "out"
    IN = "in"
    FAILED = "failed"


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

    def count(self, state: SlotState) -> int:
        """Number of slots in a state."""
        return sum(slot.state is state for slot in self.slots.values())

    def verdict(self, now: float) -> Verdict:
        """Decide from what is known now."""
        rules = self.rules
        arrived = self.count(SlotState.IN)
        met = arrived >= rules.quorum
        deadline = self.opened_at + rules.deadline_s
        if arrived >= max(rules.enough, rules.quorum):
            return Verdict(True, "all in", True, deadline)
        if self.count(SlotState.OUT) == 0:
            return Verdict(True, "nobody is left to wait for", met, deadline)
        if now >= deadline:
            return Verdict(True, "deadline", met, deadline)
        hopes = [self._hope_until(slot) for slot in self.slots.values()]
        latest = max((hope for hope in hopes if hope is not None), default=now)
        if met and latest <= now:
            return Verdict(True, "the others were lost", True, deadline)
        # Without a quorum the window stays open to the deadline: the lost may come back.
        return Verdict(False, "", met, min(deadline, latest) if latest > now else deadline)

    def explain(self, now: float) -> str:
        """Say what is awaited, of whom, and for how long at most."""
        arrived = self.count(SlotState.IN)
        parts = [f"{self.label}: {arrived} of {len(self.slots)} in"]
        out = [slot for slot in self.slots.values() if slot.state is SlotState.OUT]
        working = [slot.name for slot in out if slot.lost_since is None]
        if working:
            parts.append(f"waiting for {_listed(working)}")
        parts.extend(
            f"{slot.name} silent for {format_duration(now - slot.lost_since)}"
            for slot in out
            if slot.lost_since is not None
        )
        parts.extend(
            f"{slot.name} failed ({slot.reason})"
            for slot in self.slots.values()
            if slot.state is SlotState.FAILED
        )
        left = max(0.0, self.opened_at + self.rules.deadline_s - now)
        parts.append(f"closes in {format_duration(left)} at the latest")
        return "; ".join(parts)

    def seconds_left(self, now: float) -> float:
        """Seconds until the deadline."""
        return max(0.0, self.opened_at + self.rules.deadline_s - now)

    def _hope_until(self, slot: Slot) -> float | None:
        """Until when this slot may still deliver: None if it can't any more or has already."""
        if slot.state is not SlotState.OUT:
            return None
        if slot.lost_since is None:
            return float("inf")
        return slot.lost_since + self.rules.rejoin_grace_s


def _listed(names: list[str], limit: int = 6) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
