from __future__ import annotations

from typing import Any

from coordinator.runs.roster import (
    Candidate,
    Need,
    alias,
    choose,
    crowd,
    eligible,
    natural,
    seat,
    vacancies,
)


def node(name: str, **facts: Any) -> Candidate:
    known: dict[str, Any] = {
        "id": f"id-{name}",
        "labels": {},
        "live": True,
        "drained": False,
        "busy_with": None,
    }
    known.update(facts)
    return Candidate(name=name, **known)


def test_partitions_go_in_natural_order() -> None:
    names = ["pi-10", "pi-2", "pi-1", "jetson"]
    assert sorted(names, key=natural) == ["jetson", "pi-1", "pi-2", "pi-10"]
    assert choose(Need(3, 3, {}), [node(n) for n in names]).nodes == (
        "id-jetson",
        "id-pi-1",
        "id-pi-2",
    )


def test_fewer_than_wanted_will_do_down_to_the_minimum() -> None:
    two = [node("a"), node("b")]
    assert choose(Need(4, 2, {}), two).nodes == ("id-a", "id-b")
    choice = choose(Need(4, 3, {}), two)
    assert choice.nodes == ()
    assert "needs 3 nodes; ready: a, b" in choice.explanation
    assert not choice.blocked_by_runs


def test_labels_and_names_select() -> None:
    nodes = [node("a", labels={"kind": "pi"}), node("b", labels={"kind": "nano"}), node("c")]
    assert choose(Need(1, 1, {"kind": "nano"}), nodes).nodes == ("id-b",)
    assert choose(Need(1, 1, {}, ("c",)), nodes).nodes == ("id-c",)
    assert "kind=nano" in choose(Need(2, 2, {"kind": "nano"}), nodes).explanation


def test_names_that_nobody_has_are_named() -> None:
    text = choose(Need(2, 2, {}, ("a", "nope-2", "nope-10")), [node("a"), node("b")]).explanation
    assert text == "needs 2 nodes; ready: a; never seen: nope-2, nope-10"


def test_obstacles_are_named() -> None:
    nodes = [
        node("a", live=False),
        node("b", drained=True),
        node("c", busy_with="run-1"),
        node("d", lacks="has no torch"),
    ]
    text = choose(Need(1, 1, {}), nodes).explanation
    for words in ("a is offline", "b is drained", "c is busy with run run-1", "d has no torch"):
        assert words in text


def test_blocked_by_runs_only_if_their_end_would_be_enough() -> None:
    busy = node("a", busy_with="run-1")
    assert choose(Need(2, 2, {}), [busy, node("b")]).blocked_by_runs
    assert not choose(Need(3, 3, {}), [busy, node("b")]).blocked_by_runs
    away = node("c", busy_with="run-1", live=False)
    assert not choose(Need(2, 2, {}), [away, node("b")]).blocked_by_runs
    lacking = node("c", busy_with="run-1", lacks="has no torch")
    assert not choose(Need(2, 2, {}), [lacking, node("b")]).blocked_by_runs


def test_eligible_is_who_could_be_chosen_now_or_later() -> None:
    nodes = [
        node("pi-10"),
        node("pi-2", busy_with="run-1"),
        node("nano", labels={"kind": "nano"}),
        node("away", live=False),
        node("drained", drained=True),
        node("bare", lacks="has no torch"),
    ]
    assert [c.name for c in eligible(Need(1, 1, {}), nodes)] == ["nano", "pi-2", "pi-10"]
    assert [c.name for c in eligible(Need(1, 1, {"kind": "nano"}), nodes)] == ["nano"]
    assert [c.name for c in eligible(Need(1, 1, {}, ("pi-2", "away")), nodes)] == ["pi-2"]


def test_vacancies_are_the_never_filled_and_the_left() -> None:
    assert vacancies(4, {0: "a", 1: "b", 3: "d"}, ["b", "x"]) == [(1,), (2,)]


def test_virtual_nodes_take_turns_and_become_vacant_together() -> None:
    roster = seat(("a", "b", "c"), 7)
    assert roster == {0: "a", 1: "b", 2: "c", 3: "a", 4: "b", 5: "c", 6: "a"}
    assert seat(("a", "b"), 2) == {0: "a", 1: "b"}
    assert vacancies(7, roster, ["a", "c"]) == [(0, 3, 6), (2, 5)]
    assert vacancies(7, roster, []) == []


def test_who_takes_part_is_said_in_words() -> None:
    assert crowd(4, 4) == "4 nodes"
    assert crowd(1, 1) == "1 node"
    assert crowd(100, 4) == "100 virtual nodes on 4 agents"
    assert crowd(3, 1) == "3 virtual nodes on 1 agent"
    assert alias("node-1", 17, virtual=True) == "node-1/17"
    assert alias("node-1", 17, virtual=False) == "node-1"
