"""What a run has to show while it goes on, for the page, the API and the command line."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from coordinator.store.tables import Round

ENDED = ("finished", "failed", "stopped")
ROUNDS_IN_FULL = 5
"""Of how many rounds at most a brief picture says what each node did; of the latest it does."""
_OF_NODES = ("nodes", "tests", "selection", "scores")
"""Keys of a round that say something of each node."""
NODES_IN_FULL = 500
"""How many nodes of all these rounds together it speaks of, if the latest alone hasn't more."""


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
    blocked: str = ""
    """What the run's process waits for, other than nodes."""
    started: float | None = None
    """Monotonic seconds."""
    ended: float | None = None
    """When the run's time stopped, likewise."""
    entered: float = 0.0
    """When the phase has begun, likewise."""

    def enter(self, phase: str, **more: Any) -> None:
        """Begin a phase."""
        self.phase = phase
        self.entered = time.monotonic()
        self.ended = self.entered if phase in ENDED else None
        self.detail = str(more.get("detail", ""))
        self.round = int(more.get("round", self.round))
        self.rounds = int(more.get("rounds", self.rounds))
        self.dataset = str(more.get("dataset", self.dataset))

    def take_in(self, kind: str, data: Any) -> None:
        """Take over what the run's process publishes; what isn't progress is left alone."""
        if kind == "phase":
            self.enter(**data)
        elif kind == "round":
            self.rounds_done.append(data)
        elif kind == "resumed":
            self.rounds_done = list(data["history"])
            if self.started is not None:
                self.started -= float(data["elapsed_s"])
        elif kind == "twin":
            self.twin_done.append(data)
        elif kind == "blocked":
            self.blocked = str(data)
        elif kind == "traffic":
            self.bytes_up, self.bytes_down = int(data["up"]), int(data["down"])

    @classmethod
    def of_past(cls, state: str, summary: dict[str, Any], rounds: Iterable[Round]) -> Progress:
        """Put together what a run of an earlier life of the coordinator had to show."""
        done = [row.summary for row in rounds]
        elapsed = float(summary.get("elapsed_s") or 0.0)
        return cls(
            phase=state,
            round=int(summary.get("round", len(done))),
            rounds=int(summary.get("rounds", len(done))),
            rounds_done=done,
            twin_done=list(summary.get("twin", [])),
            dataset=str(summary.get("dataset", "")),
            bytes_up=int(summary.get("bytes_up", 0)),
            bytes_down=int(summary.get("bytes_down", 0)),
            started=0.0,
            ended=elapsed,
        )

    def round_age_s(self) -> float:
        """Return how long the round under way has taken so far; 0 between rounds."""
        return time.monotonic() - self.entered if self.phase == "round" else 0.0

    def seconds_left(self) -> float | None:
        """Estimate the rest of the current phase from its steps so far; None if unknown."""
        done = self.rounds_done if self.phase == "round" else self.twin_done
        if self.phase not in ("round", "twin") or not done or not self.rounds:
            return None
        walls = [float(entry["wall_s"]) for entry in done[-5:]]
        return sum(walls) / len(walls) * max(0, self.rounds - len(done))

    def _rounds_in_full(self) -> int:
        rounds, nodes = 0, 0
        for entry in reversed(self.rounds_done[-ROUNDS_IN_FULL:]):
            nodes += len(entry.get("nodes", ()))
            if rounds and nodes > NODES_IN_FULL:
                break
            rounds += 1
        return rounds

    def snapshot(self, brief: bool = False) -> dict[str, Any]:
        """JSON-ready copy; a brief one has what nodes did in the latest rounds only.

        Watchers get a brief one many times a second, whatever the number of rounds and nodes.
        """
        older = [
            {key: value for key, value in entry.items() if key not in _OF_NODES}
            for entry in (self.rounds_done[: -self._rounds_in_full() or None] if brief else [])
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
