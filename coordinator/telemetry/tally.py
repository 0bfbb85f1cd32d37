"""What adds up while the coordinator lives: rounds, and bytes to and from nodes. No I/O."""

from __future__ import annotations

from typing import Any


class Tally:
    """Counts from what runs' processes show; only grows, from 0 at each start."""

    def __init__(self) -> None:
        self.rounds = 0
        self.bytes_up = 0
        self.bytes_down = 0
        self._shown: dict[str, tuple[int, int] | None] = {}
        """Run -> its traffic as last shown; None where a process has gone on from a checkpoint,
        whose first figures hold what was counted before."""

    def published(self, run: str, kind: str, data: Any) -> None:
        """Take in what a run's process shows."""
        if kind == "round":
            self.rounds += 1
        elif kind == "resumed":
            self._shown[run] = None
        elif kind == "traffic":
            now = int(data["up"]), int(data["down"])
            before = self._shown.get(run, (0, 0))
            self._shown[run] = now
            if before is not None:
                self.bytes_up += max(0, now[0] - before[0])
                self.bytes_down += max(0, now[1] - before[1])

    def ended(self, run: str) -> None:
        """A run has ended."""
        self._shown.pop(run, None)
