"""The clock of the echo app: when its rounds ended, and what follows for their length."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Timing:
    """Rounds in seconds. `first` starts processes and imports; `usual` is the median of the others.

    slowest: the worst of those others.
    """

    first: float
    usual: float
    slowest: float

    @classmethod
    def of(cls, runs: Sequence[Sequence[float]]) -> Timing:
        """Sum up the rounds of one or several runs, at least two rounds each.

        Several runs have several first rounds: the worst of them counts.
        """
        if not runs or any(len(run) < 2 for run in runs):
            raise ValueError("a run of one round has no usual round")
        others = [duration for run in runs for duration in run[1:]]
        return cls(max(run[0] for run in runs), median(others), max(others))


def read_clock(path: Path) -> list[float]:
    """Return seconds (monotonic) of the start and of each round's end so far; empty if unreadable.

    The app may be writing: what can't be read now can be in a moment.
    """
    try:
        return [float(second) for second in json.loads(path.read_text())]
    except (OSError, ValueError):
        return []


def durations(ends: Sequence[float]) -> list[float]:
    """Return seconds between one end and the next."""
    return [after - before for before, after in zip(ends, ends[1:], strict=False)]
