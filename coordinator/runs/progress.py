"""What a run has to show while it goes on, for the page, the API and the command line."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

ENDED = ("finished", "failed", "stopped")


ROUNDS_IN_FULL = 5


@dataclass
class Progress:
    """Filled from what the run's process publishes; a plain record without decisions."""

    phase: str = "queued"
    """queued, starting, round, twin, report, finished, failed or stopped."""
    detail: str = ""
    round: int = 0
    rounds: int = 0
    rounds_done: list[dict[str, Any]] = field(default_factory=list)
    twin_done: list[dict[str, Any]] = field(default_factory=list)
    dataset: str = ""
    bytes_up: int = 0
    bytes_down: int = 0
    started: float | None = None
    """Monotonic seconds."""
    ended: float | None = None
    """When the run's time stopped, likewise."""
    phase_started: float = field(default_factory=time.monotonic)

    def enter(self, phase: str, **more: Any) -> None:
        """Begin a phase."""
        if phase != self.phase:
            self.phase_started = time.monotonic()
        self.phase = phase
        self.ended = time.monotonic() if phase in ENDED else None
        self.detail = str(more.get("detail", ""))
        self.round = int(more.get("round", self.round))
        self.rounds = int(more.get("rounds", self.rounds))
        self.dataset = str(more.get("dataset", self.dataset))

    def seconds_left(self) -> float | None:
        """Estimate the rest of the current phase from its steps so far; None if unknown."""
        done = self.rounds_done if self.phase == "round" else self.twin_done
        if self.phase not in ("round", "twin") or not done or not self.rounds:
            return None
        walls = [float(entry["wall_s"]) for entry in done[-5:]]
        return sum(walls) / len(walls) * max(0, self.rounds - len(done))

    def snapshot(self, brief: bool = False) -> dict[str, Any]:
        """JSON-ready copy; a brief one has what nodes did in the latest rounds only.

        Watchers get a brief one many times a second, whatever the number of rounds and nodes.
        """
        older = [
            {key: value for key, value in entry.items() if key != "nodes"}
            for entry in (self.rounds_done[:-ROUNDS_IN_FULL] if brief else [])
        ]
        until = time.monotonic() if self.ended is None else self.ended
        elapsed = None if self.started is None else round(until - self.started, 1)
        return {
            "phase": self.phase,
            "detail": self.detail,
            "round": self.round,
            "rounds": self.rounds,
            "history": older + self.rounds_done[len(older) :],
            "twin": self.twin_done,
            "dataset": self.dataset,
            "bytes_up": self.bytes_up,
            "bytes_down": self.bytes_down,
            "elapsed_s": elapsed,
            "seconds_left": self.seconds_left(),
        }
