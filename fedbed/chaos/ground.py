"""What a testbed must be able to do, so that faults can befall it.

A ground of local processes is in `fedbed.chaos.local`. One of containers or boards does the same
with other means; whoever strikes knows victims by their part and their node's number only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from fedbed.chaos.invariants import Holdings
from fedbed.chaos.plan import Strike, Victim
from fedbed.chaos.scenario import Part


class Trap(Protocol):
    """Waits for a system call of a victim, or counts them."""

    def sprung(self, wait_s: float) -> bool:
        """Whether it has killed its victim; waits `wait_s` at most for that."""

    def close(self) -> Mapping[str, int]:
        """Let go of the victim; return how often a thread of it made each call, at most."""


class Link(Protocol):
    """The way between a node and the coordinator, open at first."""

    def cut(self, how: str) -> None:
        """Let nothing through: `refuse` connections at once, or let them `hang`."""

    def slow(self, delay_s: float, rate_bytes: float) -> None:
        """Delay each way, and limit its rate in bytes per second."""

    def mend(self) -> None:
        """Let everything through again."""

    def corrupt_next(self) -> None:
        """Flip a bit in the body of the next result that the node sends."""

    def corrupted(self, wait_s: float) -> bool:
        """Whether that has happened; waits `wait_s` at most for it."""


class Ground(Protocol):
    """A coordinator and nodes named node-1, node-2, ...; use it in a `with` statement."""

    @property
    def url(self) -> str:
        """Where the coordinator answers those who watch; no fault of a link touches this way."""

    def open(self) -> None:
        """Start everything and wait until all nodes are ready; on failure nothing stays."""

    def close(self) -> Sequence[str]:
        """End everything, whatever its state; return what is left behind, in words. Idempotent."""

    def fallen(self) -> Sequence[Victim]:
        """Return the agents, and the coordinator, whose process has ended."""

    def await_ready(self) -> None:
        """Start again who has ended, and wait until all nodes are ready; FedbedError if not."""

    def refusal(self, strike: Strike) -> str:
        """Say why a fault can't be done here; empty if it can. Asked before `open`."""

    def is_up(self, victim: Victim) -> bool:
        """Whether the victim's process is there."""

    def kill(self, victim: Victim) -> None:
        """End it at once, without a chance to say goodbye."""

    def stop(self, victim: Victim) -> None:
        """Ask an agent or the coordinator to end, and wait for it."""

    def start(self, victim: Victim) -> None:
        """Start an agent or the coordinator that has ended; FedbedError if it doesn't come up."""

    def freeze(self, victim: Victim) -> None:
        """Let its process stand still."""

    def thaw(self, victim: Victim) -> None:
        """Let it go on."""

    def slow_cpu(self, victim: Victim, share: float) -> None:
        """Leave a victim and what it has started a share of its time, until `full_speed`."""

    def full_speed(self, victim: Victim) -> None:
        """Leave it all of its time again."""

    def link(self, node: int) -> Link:
        """Return a node's link."""

    def fill_disk(self, victim: Victim) -> None:
        """Leave no room where an agent or the coordinator keeps its state."""

    def free_disk(self, victim: Victim) -> None:
        """Give the room back."""

    def trap(self, victim: Victim, call: str, number: int) -> Trap:
        """Kill a victim as it begins a system call (see `moments.AtCall`)."""

    def count_calls(self, victim: Victim, calls: Sequence[str]) -> Trap:
        """Count a victim's system calls."""

    def spooled(self) -> Mapping[str, str]:
        """Return the trained updates that wait on the nodes: work item -> sha256."""

    def holdings(self, run: str) -> Holdings:
        """Look at what lies about after a run; logs only since the last look."""

    def keep(self, run: str, folder: Path) -> None:
        """Copy logs, and the run's files, for a person who wants to know what happened."""


__all__ = ["Ground", "Link", "Part", "Trap"]
