"""What is refused, as it goes into the nodes' records: at once, or when a window has closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coordinator.fleet import offences
from coordinator.fleet.offences import Refusal
from coordinator.runs.board import Open
from coordinator.store import tables
from coordinator.store.database import Database
from fedbed.errors import PayloadError

TASK = "task"
"""The kind of app that is a native task."""
OnRefused = Callable[[Refusal, bool, bool], None]


class Judge:
    """Tells `on_refused` of everything that is refused."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._doubtful: dict[str, dict[str, Refusal]] = {}
        """Window -> item -> what honest nodes do too, if the training diverges on most of them."""
        self.on_refused: OnRefused = lambda _refusal, _counts, _once: None
        """Called with what was refused, whether it counts as an offence, and whether it may be
        known already."""

    def doubt(self, entry: Open, error: PayloadError) -> None:
        """Put off the judgement on what may be the experiment's fault, until the window closes."""
        if entry.window and offences.may_be_shared(error.kind):
            self._doubtful.setdefault(entry.window, {})[entry.id] = _refusal(entry, error)

    def judge(self, entry: Open, error: PayloadError) -> None:
        """Enter a refusal, unless it is one that `doubt` is for."""
        if offences.may_be_shared(error.kind):
            return
        of_task = entry.item is not None and entry.item.app.kind == TASK
        counts = offences.is_offence(error.kind, of_task)
        self.on_refused(_refusal(entry, error), counts, False)

    def window_closed(self, window: str, asked: int) -> None:
        """Judge what was put off: `asked` nodes took part in the window."""
        doubtful = self._doubtful.pop(window, {})
        shared = offences.is_shared(len(doubtful), asked)
        for refusal in doubtful.values():
            self.on_refused(refusal, not shared, False)

    def forget(self, run: str) -> None:
        """A run is over: windows of it that are still open close no more."""
        for window in [w for w in self._doubtful if w.rsplit(".", 1)[0] == run]:
            del self._doubtful[window]

    def refused_later(self, run: str, message: dict[str, Any]) -> None:
        """The run's process has refused a result that had passed the checks at the door.

        After a restart it comes to the same results again, and says the same of them.
        """
        item, kind, text = (str(message[key]) for key in ("item", "kind", "text"))
        row = self._database.read(lambda s: s.get(tables.Work, item))
        if row is not None:
            refusal = Refusal(row.node, run, item, kind, text, bool(message["asked_for"]))
            self.on_refused(refusal, bool(message["counts"]), True)


def _refusal(entry: Open, error: PayloadError) -> Refusal:
    asked_for = entry.item is not None and entry.item.poison is not None
    text = f"refused: {error}"
    return Refusal(entry.node, entry.run, entry.id, error.kind, text, asked_for)
