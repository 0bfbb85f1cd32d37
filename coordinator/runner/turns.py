"""Who is asked next where nodes don't wait for each other. Pure.

Of the nodes that are there and idle, those asked least often come first, and of these who has been
idle for longest: so also a slow node has its turn whenever it is there to take one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

LONGEST_REST = 32
"""Versions for which a node that keeps failing is left alone at most."""


@dataclass
class Turns:
    """The nodes of a run, by partition. `at_a_time` of them may train at once."""

    at_a_time: int
    present: set[int] = field(default_factory=set)
    busy: set[int] = field(default_factory=set)
    asked: dict[int, int] = field(default_factory=dict)
    """How often each was asked."""
    failures: dict[int, int] = field(default_factory=dict)
    """How often in a row it has failed."""
    rests_until: dict[int, int] = field(default_factory=dict)
    """The version from which on it is asked again."""
    _idle_since: dict[int, int] = field(default_factory=dict)
    _ends: int = 0

    def next(self, version: int) -> list[int]:
        """Return whom to ask now, in order; `version` is that of the newest model."""
        room = self.at_a_time - len(self.busy)
        idle = [p for p in self._idle() if self.rests_until.get(p, 0) <= version]
        idle.sort(key=lambda p: (self.asked.get(p, 0), self._idle_since.get(p, 0), p))
        return idle[: max(0, room)]

    def ask(self, partition: int) -> int:
        """Note that a node is asked; returns the how-manieth time that is, from 1."""
        self.busy.add(partition)
        self.asked[partition] = self.asked.get(partition, 0) + 1
        return self.asked[partition]

    def ask_again(self, partition: int) -> None:
        """Note that a node is asked what it was asked before a restart."""
        self.busy.add(partition)

    def came(self, partition: int) -> None:
        """A node has answered."""
        self._ended(partition)
        self.failures.pop(partition, None)
        self.rests_until.pop(partition, None)

    def lost(self, partition: int) -> None:
        """A node was lost; it is asked again when it is there."""
        self._ended(partition)
        self.present.discard(partition)

    def failed(self, partition: int, version: int) -> None:
        """A node couldn't do it: it rests for a version, then for 2, 4 and so on."""
        self._ended(partition)
        times = self.failures[partition] = self.failures.get(partition, 0) + 1
        self.rests_until[partition] = version + min(2 ** (times - 1), LONGEST_REST)

    def wake(self) -> None:
        """Let nobody rest any longer."""
        self.rests_until.clear()

    def is_stuck(self, version: int) -> bool:
        """Whether nobody trains and nobody may be asked, though somebody is there."""
        return not self.busy and bool(self._idle()) and not self.next(version)

    def are_there(self, partitions: Collection[int]) -> None:
        """Note who is there now."""
        self.present = set(partitions)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint needs: JSON-ready."""
        return {
            name: [[p, n] for p, n in sorted(counted.items())]
            for name, counted in (
                ("asked", self.asked),
                ("failures", self.failures),
                ("rests_until", self.rests_until),
            )
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Undo `state`."""
        self.asked = dict(state["asked"])
        self.failures = dict(state["failures"])
        self.rests_until = dict(state["rests_until"])

    def _idle(self) -> list[int]:
        return sorted(self.present - self.busy)

    def _ended(self, partition: int) -> None:
        self.busy.discard(partition)
        self._ends += 1
        self._idle_since[partition] = self._ends
