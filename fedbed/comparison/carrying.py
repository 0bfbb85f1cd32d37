"""Carrying a plan out, cell by cell, whatever becomes of the single one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fedbed.comparison import schedule
from fedbed.comparison.plan import Cell
from fedbed.comparison.store import FAILED, FINISHED, Store
from fedbed.errors import CoordinatorAway, FedbedError, Interrupted, NotAdmitted, Untrusted

ENDS_ALL = (Interrupted, CoordinatorAway, NotAdmitted, Untrusted)
"""With these, no further run would fare better."""


class Runner(Protocol):
    """What runs a cell."""

    def __call__(self, cell: Cell, heading: Callable[[float | None], str]) -> dict[str, Any]:
        """Run it to its end; returns its result.

        heading: makes the line on where the comparison is, from what the run's own estimate says
        is left of it. FedbedError if the run failed.
        """


@dataclass
class Progress:
    """Which cells are done and what they took."""

    total: int
    done: int = 0
    began: float = field(default_factory=time.monotonic)
    took: dict[str, list[float]] = field(default_factory=dict)
    """Seconds by variant."""

    def take(self, variant: str, seconds: float) -> None:
        """Count a cell."""
        self.took.setdefault(variant, []).append(seconds)

    def heading(self, cell: Cell, began: float, waiting: list[str]) -> Callable[..., str]:
        """Return what says where the comparison is, at any moment of a cell's run."""

        def say(left_s: float | None = None) -> str:
            now = time.monotonic()
            name = cell.variant.name
            left = schedule.seconds_left(self.took, waiting, name, now - began, left_s)
            return schedule.line(self.done + 1, self.total, cell.title, now - self.began, left)

        return say


def carry_out(
    cells: Sequence[Cell],
    store: Store,
    run: Runner,
    after: Callable[[Cell, int, float, str], None],
) -> None:
    """Run the cells that are not done yet.

    after: told of each cell that was run: its place among all, from 1, the seconds that it took
    and why it failed ('' if it didn't).

    A run that fails is written down, and the others go on. What would befall the others as well
    is raised: Interrupted, CoordinatorAway and the like.
    """
    progress = Progress(len(cells))
    open_cells: list[Cell] = []
    for cell in cells:
        record = store.finished(cell)
        if record is not None:
            progress.done += 1
            progress.take(cell.variant.name, record.seconds)
        else:
            open_cells.append(cell)
    for place, cell in enumerate(open_cells):
        began = time.monotonic()
        waiting = [later.variant.name for later in open_cells[place + 1 :]]
        error = ""
        try:
            result = run(cell, progress.heading(cell, began, waiting))
        except ENDS_ALL:
            raise
        except FedbedError as failure:
            error = str(failure)
            store.keep(cell, FAILED, "", time.monotonic() - began, error)
        else:
            seconds = time.monotonic() - began
            progress.take(cell.variant.name, seconds)
            store.keep(cell, FINISHED, str(result.get("id", "")), seconds)
        progress.done += 1
        after(cell, progress.done, time.monotonic() - began, error)
