"""Rounds whatever happens in whatever order: the board and its windows against a plain model."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from coordinator.runs.board import Board, Open
from coordinator.runs.window import Rules, SlotState, Verdict, Window
from fedbed.link.messages import AppRef, WorkItem
from tests.fuzz.depth import examples

NODES = [f"n-{number}" for number in range(4)]
RUNS = ["one", "two"]
NODE = st.sampled_from(NODES)
RUN = st.sampled_from(RUNS)


class Rounds(RuleBasedStateMachine):
    """Windows open, results and failures come, nodes go and return, time passes, runs end."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.closed: dict[str, Verdict] = {}
        self.opened = 0
        self.waits: dict[str, float] = {}
        self.asked: dict[str, str] = {}
        """Item -> node, of all that are open."""
        self.board = Board(lambda: self.now, self._on_closed, lambda _node: None, self._on_wait)

    def _on_closed(self, window: Window, verdict: Verdict) -> None:
        assert window.id not in self.closed, "a window closes once"
        assert verdict.closed
        assert verdict.reason
        arrived = sum(s.state is SlotState.IN for s in window.slots.values())
        assert verdict.quorum_met == (arrived >= window.rules.quorum)
        self.closed[window.id] = verdict
        for item in window.slots:
            self.asked.pop(item, None)

    def _on_wait(self, window: str, until: float) -> None:
        assert until > self.now, "a check that is due already would come again at once, for ever"
        self.waits[window] = until

    @rule(
        run=RUN,
        nodes=st.lists(NODE, min_size=1, max_size=4, unique=True),
        quorum=st.integers(0, 4),
        enough=st.integers(1, 4),
        deadline_s=st.floats(1.0, 50.0),
        grace_s=st.floats(0.0, 10.0),
        retries=st.integers(0, 2),
    )
    def open_window(
        self,
        run: str,
        nodes: list[str],
        quorum: int,
        enough: int,
        deadline_s: float,
        grace_s: float,
        retries: int,
    ) -> None:
        self.opened += 1
        name = f"{run}.{self.opened:06d}"
        opens = []
        for partition, node in enumerate(nodes):
            item = WorkItem(
                f"{name}.{partition}", run, 1, "train", AppRef("task", "t"), partition,
                len(nodes), [], "exact", "zlib", 1000,
            )  # fmt: skip
            opens.append(Open(item.id, run, node, item, tries_left=retries))
            self.asked[item.id] = node
        rules = Rules(quorum, enough, deadline_s, grace_s)
        self.board.open_window(name, run, "round", rules, opens, {n: n for n in NODES})
        self.board.check(name)

    @rule(node=NODE, data=st.data())
    def poll(self, node: str, data: st.DataObject) -> None:
        mine = [item for item, holder in self.asked.items() if holder == node]
        held = data.draw(st.lists(st.sampled_from([*mine, "another.1.0"]), unique=True))
        item = self.board.item_for(node, held)
        if item is None:
            offered = {i for i in mine if self.board.get(i).item is not None}
            assert offered <= set(held), "what a node doesn't hold is offered to it"
        else:
            assert self.asked[item.id] == node, "an item goes to its own node only"
            assert item.id not in held
            assert item.seconds_left is None or item.seconds_left >= 0
            assert self.board.is_working(node)
        assert self.board.stale(node, held) == [i for i in held if i not in mine]

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def a_result_comes(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(sorted(self.asked)))
        del self.asked[item]
        self.board.done(item)
        assert not any(self.board.is_open(item, node) for node in NODES)

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def a_node_fails(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(sorted(self.asked)))
        node, tries = self.asked[item], self.board.get(item).tries_left
        again = self.board.failed(item, "it broke")
        assert again == (tries > 0)
        if not again:
            self.asked.pop(item, None)  # with its window, if it was the last
        assert self.board.is_open(item, node) == again

    @rule(node=NODE)
    def a_node_is_lost(self, node: str) -> None:
        self.board.node_lost(node)

    @rule(node=NODE)
    def a_node_is_back(self, node: str) -> None:
        self.board.node_back(node)

    @rule(seconds=st.floats(0.001, 20.0))
    def time_passes(self, seconds: float) -> None:
        """The service looks again when it was told to, not at any other time."""
        end = self.now + seconds
        while True:
            due = [(at, w) for w, at in self.waits.items() if at <= end and w in self.board.windows]
            if not due:
                break
            at, window = min(due)
            self.now = max(self.now, at)
            del self.waits[window]
            self.board.check(window)
        self.now = end

    @rule(run=RUN)
    def a_run_ends(self, run: str) -> None:
        self.board.cancel(run)
        self._forget(run)

    @rule(run=RUN)
    def the_process_of_a_run_dies(self, run: str) -> None:
        self.board.suspend(run)

    def _forget(self, run: str) -> None:
        for item in [i for i in self.asked if i.startswith(f"{run}.")]:
            del self.asked[item]

    @invariant()
    def what_is_open_is_what_was_asked(self) -> None:
        for item, node in self.asked.items():
            assert self.board.is_open(item, node)
            assert sum(self.board.is_open(item, other) for other in NODES) == 1

    @invariant()
    def counts_are_those_of_the_slots(self) -> None:
        for window in self.board.windows.values():
            states = [slot.state for slot in window.slots.values()]
            for state in SlotState:
                assert window.count(state) == states.count(state)

    @invariant()
    def no_open_window_could_be_closed(self) -> None:
        for window in self.board.windows.values():
            verdict = window.verdict(self.now)
            assert not verdict.closed or verdict.check_at <= self.now
            assert window.id not in self.closed
            assert self.now <= window.opened_at + window.rules.deadline_s
            assert window.explain(self.now)

    def teardown(self) -> None:
        for run in RUNS:
            self.a_run_ends(run)
        assert not self.board.windows
        assert not any(self.board.is_working(node) for node in NODES)


TestRounds: Any = Rounds.TestCase
TestRounds.settings = examples(quick=20, deep=1000)
