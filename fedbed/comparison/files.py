"""What a comparison leaves for people and programs: its files, out of what its cells left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fedbed.comparison import tables
from fedbed.comparison.figures import Figures, Outcome, build
from fedbed.comparison.plan import Cell, Plan
from fedbed.comparison.store import FAILED, Store, write

LONG_S = 20.0
"""Where a run takes this long people look at the report meanwhile, and drawing it costs little."""


class Results:
    """The results of a plan's cells as they come, read once each."""

    def __init__(self, plan: Plan, cells: Sequence[Cell], store: Store) -> None:
        self._plan = plan
        self._cells = cells
        self._store = store
        self._read: dict[str, dict[str, Any]] = {}

    def figures(self) -> Figures:
        """Return the figures of all that is there."""
        return build(self._plan, [self._outcome(cell) for cell in self._cells])

    def write_tables(self) -> Figures:
        """Write the tables anew, and return what is in them; UsageError if they can't be."""
        figures, folder = self.figures(), self._store.folder
        found = json.dumps(tables.data(figures, folder.name), indent=1) + "\n"
        write(folder / "comparison.json", found)
        write(folder / "comparison.csv", tables.comparison_csv(figures))
        write(folder / "metrics.csv", tables.metrics_csv(figures))
        write(folder / "table.tex", tables.latex(figures))
        return figures

    def write_all(self) -> Figures:
        """Write the tables and the report; UsageError if they can't be."""
        # matplotlib takes a second, which nobody should wait for before the first run.
        from fedbed.comparison.report import page

        figures = self.write_tables()
        write(self._store.folder / "report.html", page.render(figures))
        return figures

    def write_after(self, seconds: float) -> None:
        """Write what may be looked at before the next run has ended; `seconds`: the last one's."""
        if seconds >= LONG_S:
            self.write_all()
        else:
            self.write_tables()

    def _outcome(self, cell: Cell) -> Outcome:
        if cell.key in self._read:
            return Outcome(cell, self._read[cell.key])
        record = self._store.record(cell)
        if record is None:
            return Outcome(cell, {})
        if record.state == FAILED:
            return Outcome(cell, {}, record.error or "failed without a word")
        result = self._store.result(record)
        self._read[cell.key] = result
        return Outcome(cell, result)
