"""Who is asked next."""

from __future__ import annotations

import json

from coordinator.runner.turns import LONGEST_REST, Turns


def turns(at_a_time: int, present: int) -> Turns:
    made = Turns(at_a_time)
    made.are_there(range(present))
    return made


def ask(made: Turns, version: int = 0) -> list[int]:
    chosen = made.next(version)
    for partition in chosen:
        made.ask(partition)
    return chosen


def test_as_many_as_may_train_at_a_time() -> None:
    some = turns(2, 4)
    assert ask(some) == [0, 1]
    assert ask(some) == []
    some.came(1)
    assert ask(some) == [2]


def test_who_was_asked_least_often_comes_first_and_slow_nodes_have_their_turn() -> None:
    some = turns(2, 3)
    counts = {0: 0, 1: 0, 2: 0}
    slow_left = 0
    for _ in range(60):
        for partition in ask(some):
            counts[partition] += 1
            if partition == 2:
                slow_left = 5
        if 2 in some.busy:
            slow_left -= 1
            if not slow_left:
                some.came(2)
        some.came(min(some.busy - {2}))
    # Node 2 takes five times as long, and is hardly ever idle.
    assert counts[2] >= 60 // 6
    assert abs(counts[0] - counts[1]) <= 1


def test_a_node_that_is_lost_is_asked_when_it_is_back() -> None:
    some = turns(2, 2)
    ask(some)
    some.lost(0)
    assert ask(some) == []
    some.are_there({0, 1})
    assert ask(some) == [0]


def test_a_node_that_keeps_failing_rests_longer_and_longer() -> None:
    some = turns(1, 1)
    asked_at = []
    for version in range(200):
        if ask(some, version):
            asked_at.append(version)
            some.failed(0, version)
    gaps = [b - a for a, b in zip(asked_at, asked_at[1:], strict=False)]
    assert gaps[:6] == [1, 2, 4, 8, 16, 32]
    assert set(gaps[6:]) == {LONGEST_REST}
    some.wake()
    assert ask(some, 0) == [0]
    some.came(0)
    some.failed(0, 10)
    assert ask(some, 11) == [0]


def test_stuck_is_who_has_nobody_to_ask_though_somebody_is_there() -> None:
    some = turns(2, 2)
    assert not some.is_stuck(0)
    ask(some)
    some.failed(0, 0)
    assert not some.is_stuck(0)
    some.failed(1, 0)
    assert some.is_stuck(0)
    assert not some.is_stuck(1)
    some.are_there(())
    assert not some.is_stuck(0)


def test_counts_survive_a_restart() -> None:
    some = turns(2, 3)
    ask(some)
    some.failed(0, 3)
    again = Turns(2)
    again.restore(json.loads(json.dumps(some.state())))
    again.are_there({0, 1, 2})
    assert (again.asked, again.failures) == ({0: 1, 1: 1}, {0: 1})
    assert again.next(3) == [2, 1]
    assert again.ask(0) == 2
