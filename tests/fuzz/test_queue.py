"""The queue of runs and the choice of nodes, whatever fleet there is."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from coordinator.runs.roster import Candidate, Need, choose, natural, vacancies
from coordinator.runs.spec import DEFAULT_APP_START_TIMEOUT_S, RunSpec
from coordinator.runs.waiting import WaitingRuns
from fedbed.link.messages import BlobRef
from tests.fuzz.depth import examples

LABELS = st.dictionaries(st.sampled_from(["board", "site"]), st.sampled_from("ab"), max_size=2)
NAMES = [f"node-{number}" for number in range(12)]


@st.composite
def fleets(draw: st.DrawFn) -> list[Candidate]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=8))
    return [
        Candidate(
            f"n-{name}",
            name,
            draw(LABELS),
            draw(st.booleans()),
            draw(st.booleans()),
            draw(st.sampled_from([None, None, "another"])),
            draw(st.sampled_from(["", "", "has no torch"])),
        )
        for name in names
    ]


@st.composite
def needs(draw: st.DrawFn) -> Need:
    nodes = draw(st.integers(1, 6))
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=6))
    return Need(nodes, draw(st.integers(1, nodes)), draw(LABELS), tuple(names))


@examples(quick=100, deep=5000)
@given(needs(), fleets())
def test_a_choice_is_of_nodes_that_are_free_and_fit(need: Need, fleet: list[Candidate]) -> None:
    by_id = {candidate.id: candidate for candidate in fleet}
    choice = choose(need, fleet)
    assert choice == choose(need, list(reversed(fleet))), "whatever their order"
    chosen = [by_id[node] for node in choice.nodes]
    assert len(set(choice.nodes)) == len(choice.nodes)
    for node in chosen:
        assert node.live
        assert not node.drained
        assert node.busy_with is None
        assert not node.lacks
        assert not need.names or node.name in need.names
        assert need.labels.items() <= node.labels.items()
    assert [n.name for n in chosen] == sorted((n.name for n in chosen), key=natural)
    assert not chosen or need.min_nodes <= len(chosen) <= need.nodes
    if not chosen:
        assert choice.explanation
        idle = [replace(candidate, busy_with=None) for candidate in fleet]
        assert choice.blocked_by_runs == bool(choose(need, idle).nodes)


@examples(quick=60, deep=2000)
@given(
    st.integers(0, 6),
    st.dictionaries(st.integers(0, 5), st.sampled_from(NAMES), max_size=6),
    st.sets(st.sampled_from(NAMES)),
)
def test_a_vacancy_has_no_node_that_stays(
    partitions: int, roster: dict[int, str], gone: set[str]
) -> None:
    free = vacancies(partitions, roster, gone)
    staying = {p for p, node in roster.items() if node not in gone and p < partitions}
    assert sorted([*chain(*free), *staying]) == list(range(partitions))
    assert all(len({roster.get(p) for p in together}) == 1 for together in free)


def spec(nodes: int) -> RunSpec:
    return RunSpec("x", bundle=BlobRef("0" * 64, 1), serverapp="a", clientapp="b", nodes=nodes)


class Queue(RuleBasedStateMachine):
    """Runs wait; nodes come, go and become busy; time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.queue = WaitingRuns()
        self.waiting: dict[str, tuple[RunSpec, float]] = {}
        """Run -> spec, and when it was submitted; in order of submission."""
        self.fleet: list[Candidate] = []
        self.number = 0

    @rule(nodes=st.integers(1, 4))
    def submit(self, nodes: int) -> None:
        self.number += 1
        run = f"run-{self.number}"
        self.queue.add(run, spec(nodes))
        self.waiting[run] = (spec(nodes), self.now)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(sorted(self.waiting)))
        self.queue.remove(run)
        del self.waiting[run]

    @rule(fleet=fleets())
    def the_fleet_changes(self, fleet: list[Candidate]) -> None:
        self.fleet = fleet

    @rule(seconds=st.floats(0.1, 40.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def dispatch(self) -> None:
        while (turn := self.queue.next_turn(self.now, lambda _spec: self.fleet)) is not None:
            wanted, since = self.waiting.pop(turn.run)
            assert turn.spec == wanted
            if turn.nodes:
                assert len(turn.nodes) == wanted.nodes
                assert {c.busy_with for c in self.fleet if c.id in turn.nodes} == {None}
                self.fleet = [
                    replace(c, busy_with=turn.run) if c.id in turn.nodes else c for c in self.fleet
                ]
            else:
                assert self.now - since >= DEFAULT_APP_START_TIMEOUT_S, "not before its time"
                assert turn.why
        for run, (wanted, _) in self.waiting.items():
            choice = choose(wanted.need(), self.fleet)
            assert not choice.nodes, "who could start has started"
            assert self.queue.explain(run, self.now)
        left = self.queue.look_again_in(self.now)
        assert left is None or 0 < left <= DEFAULT_APP_START_TIMEOUT_S + 1e-6

    @invariant()
    def the_queue_holds_who_waits(self) -> None:
        assert bool(self.queue) == bool(self.waiting)
        assert all(run in self.queue for run in self.waiting)


TestQueue: Any = Queue.TestCase
TestQueue.settings = examples(quick=25, deep=700, steps=25)
