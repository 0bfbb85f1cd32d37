"""Runs that wait for nodes: who may start, who gives up, what they wait for. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from coordinator.runs.roster import Candidate, choose
from coordinator.runs.spec import RunSpec
from fedbed.units import format_duration


@dataclass
class Waiting:
    """One run in the queue. `lacking_since` is None while only other runs are in its way."""

    spec: RunSpec
    lacking_since: float | None = None
    explanation: str = ""


@dataclass(frozen=True)
class Turn:
    """What becomes of the queue's first run that doesn't have to wait any longer.

    nodes: those it starts with, by partition; empty if it gives up, for the reason `why`.
    """

    run: str
    spec: RunSpec
    nodes: tuple[str, ...]
    why: str = ""


class WaitingRuns:
    """The queue, in order of submission; times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._runs: dict[str, Waiting] = {}

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._runs

    def __bool__(self) -> bool:
        return bool(self._runs)

    def specs(self) -> dict[str, RunSpec]:
        """Return all of them, in order."""
        return {run_id: waiting.spec for run_id, waiting in self._runs.items()}

    def add(self, run_id: str, spec: RunSpec) -> None:
        """Queue a run."""
        self._runs[run_id] = Waiting(spec)

    def remove(self, run_id: str) -> None:
        """Take a run out of the queue."""
        del self._runs[run_id]

    def next_turn(
        self, now: float, candidates: Callable[[RunSpec], list[Candidate]]
    ) -> Turn | None:
        """Take the first run out that can start or gives up; None if all have to wait.

        Ask again until it is None: a start changes who is free.
        """
        for run_id, waiting in self._runs.items():
            choice = choose(waiting.spec.need(), candidates(waiting.spec))
            waiting.explanation = choice.explanation
            if choice.nodes:
                self.remove(run_id)
                return Turn(run_id, waiting.spec, choice.nodes)
            if choice.blocked_by_runs:
                waiting.lacking_since = None
                continue
            if waiting.lacking_since is None:
                waiting.lacking_since = now
            if self._left(waiting, now) <= 0:
                self.remove(run_id)
                waited = f"waited {format_duration(waiting.spec.start_timeout_s())}"
                return Turn(run_id, waiting.spec, (), f"{choice.explanation} ({waited})")
        return None

    def look_again_in(self, now: float) -> float | None:
        """Seconds until the next run may give up; None if time alone changes nothing."""
        waits = [self._left(w, now) for w in self._runs.values() if w.lacking_since is not None]
        return min(waits, default=None)

    def explain(self, run_id: str, now: float) -> str:
        """Say what a queued run waits for, and for how long it still does."""
        waiting = self._runs[run_id]
        if waiting.lacking_since is None:
            return waiting.explanation
        left = format_duration(max(0.0, self._left(waiting, now)))
        return f"{waiting.explanation}; gives up in {left}"

    @staticmethod
    def _left(waiting: Waiting, now: float) -> float:
        since = now if waiting.lacking_since is None else waiting.lacking_since
        return since + waiting.spec.start_timeout_s() - now
