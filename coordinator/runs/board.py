"""All open work: which item goes to which node next, and which windows may close. No I/O.

Delivery is derived, not remembered: a node is offered its oldest open item that it does not say
it holds. A lost answer, a restarted agent and a restarted coordinator need no further rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from coordinator.runs.window import Rules, Slot, SlotState, Verdict, Window
from fedbed.link.messages import WorkItem


@dataclass
class Open:
    """An item that is out. `item` is None for one that only the database remembers so far."""

    id: str
    run: str
    node: str
    item: WorkItem | None
    window: str = ""
    tries_left: int = 0
    sent: bool = False
    expect: list[tuple[str, str, tuple[int, ...]]] | None = None
    """Names, dtypes and shapes that the result must have; None where anything goes."""
    finite: bool = False


@dataclass
class Board:
    """`on_closed(window, verdict)` is called when a window has closed."""

    clock: Callable[[], float]
    on_closed: Callable[[Window, Verdict], None]
    on_wake: Callable[[str], None]
    """Called with a node's id when its poll should look again."""
    on_wait: Callable[[str, float], None] = lambda _window, _until: None
    """Called with an open window's id and the time when it is to be checked again."""
    windows: dict[str, Window] = field(default_factory=dict)
    """Open exchanges by their id; a run usually has one at a time."""
    held: str = ""
    """Why time stands still for windows, empty if it doesn't."""
    _held_since: float = 0.0
    _items: dict[str, Open] = field(default_factory=dict)
    _by_node: dict[str, list[str]] = field(default_factory=dict)

    def hold(self, reason: str) -> None:
        """Let no deadline pass: it isn't the nodes' fault that their results can't be taken in."""
        if not self.held:
            self._held_since = self.clock()
        self.held = reason

    def release(self) -> None:
        """Let time go on, for each window from where it stood."""
        if not self.held:
            return
        stood = self.clock() - self._held_since
        self.held = ""
        for window in list(self.windows.values()):
            window.opened_at += stood
            self.check(window.id)

    def remember(self, opens: Iterable[Open]) -> None:
        """Take over open items of an earlier life: their results are welcome."""
        for entry in opens:
            self._add(entry)

    def open_window(
        self,
        window_id: str,
        run: str,
        label: str,
        rules: Rules,
        opens: list[Open],
        names: dict[str, str],
    ) -> Window:
        """Put items out; `names` are those of the nodes, for explanations."""
        window = Window(window_id, run, label, rules, self._now())
        self.windows[window_id] = window
        for entry in opens:
            entry.window = window_id
            window.add(Slot(entry.id, entry.node, names[entry.node]))
            self._add(entry)
            self.on_wake(entry.node)
        return window

    def item_for(self, node: str, holding: Iterable[str]) -> WorkItem | None:
        """Return the next item for a node that holds `holding`."""
        held = set(holding)
        for item_id in self._by_node.get(node, []):
            entry = self._items[item_id]
            if item_id in held:
                entry.sent = True
            elif entry.item is not None:
                entry.sent = True
                window = self.windows.get(entry.window)
                if window is not None:
                    entry.item.seconds_left = round(window.seconds_left(self._now()), 1)
                return entry.item
        return None

    def stale(self, node: str, holding: Iterable[str]) -> list[str]:
        """Return those held items that nobody waits for any more."""
        return [item for item in holding if not self.is_open(item, node)]

    def is_open(self, item: str, node: str) -> bool:
        """Whether a result for `item` from `node` is welcome."""
        entry = self._items.get(item)
        return entry is not None and entry.node == node

    def get(self, item: str) -> Open:
        """Return an open item; KeyError if it isn't."""
        return self._items[item]

    def is_working(self, node: str) -> bool:
        """Whether a node has work that was sent to it."""
        return any(self._items[i].sent for i in self._by_node.get(node, ()))

    def has_delivered(self, run: str | None, node: str) -> bool:
        """Whether a node's part of its run's open window is in."""
        for window in self.windows.values():
            if window.run == run and any(s.state is SlotState.IN for s in window.of_node(node)):
                return True
        return False

    def open_for_s(self, window_id: str) -> float:
        """Return for how long a window has been open; 0 if it isn't."""
        window = self.windows.get(window_id)
        return 0.0 if window is None else self._now() - window.opened_at

    def windows_of(self, run: str | None) -> list[Window]:
        """Return a run's open windows."""
        return [window for window in self.windows.values() if window.run == run]

    def done(self, item: str) -> None:
        """A result is in and stored."""
        entry = self._remove(item)
        self._settle(entry.window, item, SlotState.IN, "")

    def failed(self, item: str, reason: str, again: bool = True) -> bool:
        """A node could not do it; returns whether it tries again, if `again` lets it."""
        entry = self._items[item]
        if again and entry.tries_left > 0:
            entry.tries_left -= 1
            entry.sent = False
            self.on_wake(entry.node)
            return True
        self._remove(item)
        self._settle(entry.window, item, SlotState.FAILED, reason)
        return False

    def give_up(self, node: str, reason: str) -> None:
        """A node gets no more work: what it was asked has failed."""
        for item in list(self._by_node.get(node, ())):
            if item in self._items:
                entry = self._remove(item)
                self._settle(entry.window, item, SlotState.FAILED, reason)
        self.on_wake(node)

    def node_lost(self, node: str) -> None:
        """A node went out of contact."""
        now = self._now()
        for window, slot in self._slots_of(node):
            window.contact(slot, now)
            self.check(window.id)

    def node_back(self, node: str) -> None:
        """A node is in contact again."""
        for window, slot in self._slots_of(node):
            window.contact(slot, None)
            self.check(window.id)

    def check(self, window_id: str) -> Verdict | None:
        """Close a window if it is time; returns the verdict, None if it is closed already."""
        window = self.windows.get(window_id)
        if window is None:
            return None
        verdict = window.verdict(self._now())
        if verdict.closed:
            self._close(window, verdict)
        elif not self.held:
            self.on_wait(window_id, verdict.check_at)
        return verdict

    def withdraw(self, window_id: str) -> None:
        """Close a window whose results are wanted no more; what is closed already stays so."""
        window = self.windows.get(window_id)
        if window is not None:
            self._close(window, Verdict(True, "withdrawn", True, self._now()))

    def suspend(self, run: str) -> None:
        """The run's process is gone and will come back: nothing is offered, results are welcome."""
        for window in self.windows_of(run):
            del self.windows[window.id]
        for entry in self._items.values():
            if entry.run == run:
                entry.item, entry.window = None, ""

    def cancel(self, run: str) -> None:
        """The run is over: nothing of it is open any more."""
        for window in self.windows_of(run):
            del self.windows[window.id]
        for entry in [e for e in self._items.values() if e.run == run]:
            self._remove(entry.id)
            self.on_wake(entry.node)

    def _now(self) -> float:
        return self._held_since if self.held else self.clock()

    def _close(self, window: Window, verdict: Verdict) -> None:
        del self.windows[window.id]
        for slot in window.slots.values():
            if slot.item in self._items:
                self._remove(slot.item)
                self.on_wake(slot.node)
        self.on_closed(window, verdict)

    def _settle(self, window_id: str, item: str, state: SlotState, reason: str) -> None:
        window = self.windows.get(window_id)
        if window is not None and item in window.slots:
            window.settle(item, state, reason, self._now())
            self.check(window_id)

    def _slots_of(self, node: str) -> list[tuple[Window, Slot]]:
        return [
            (window, slot)
            for window in self.windows.values()
            for slot in window.of_node(node)
            if slot.state is SlotState.OUT
        ]

    def _add(self, entry: Open) -> None:
        known = self._items.get(entry.id)
        if known is not None and known.node != entry.node:
            # Its partition has another node now.
            self._by_node[known.node].remove(entry.id)
            self.on_wake(known.node)
        self._items[entry.id] = entry
        mine = self._by_node.setdefault(entry.node, [])
        if entry.id not in mine:
            mine.append(entry.id)

    def _remove(self, item: str) -> Open:
        entry = self._items.pop(item)
        self._by_node[entry.node].remove(item)
        return entry
