from __future__ import annotations

from fedbed.selection.fedcs import FedCS, pack
from fedbed.selection.timing import Times
from tests.fedbed.selection.nodes import late, node, part, play, situation


def test_uploads_follow_one_another_and_computing_hides_behind_them() -> None:
    nodes = {0: Times(1, 1, 2), 1: Times(1, 3, 2), 2: Times(1, 5, 2), 3: Times(1, 50, 2)}
    # After the slowest download: 1 + 2, then 2 (it computed meanwhile), then 2 again.
    assert pack(nodes, 8.0) == [0, 1, 2]
    assert pack(nodes, 7.9) == [0, 1]
    assert pack(nodes, 52.9) == [0, 1, 2]
    assert pack(nodes, 53.0) == [0, 1, 2, 3]
    assert pack(nodes, 3.9) == []


def test_a_slow_download_is_passed_over_and_not_the_end() -> None:
    nodes = {0: Times(9, 0.1, 0.1), 1: Times(1, 8.0, 1.0), 2: Times(1, 1, 1)}
    assert pack(nodes, 10.0) == [2, 1]


def test_as_many_as_fit_once_they_are_measured() -> None:
    # Nothing is uploaded here, so that all work side by side.
    asked = play(FedCS(deadline=5.0), [1.0, 2.0, 30.0, 4.0], 4, 1.0)
    assert asked == [(0, 1, 2, 3), (0, 1, 3), (0, 1, 3), (0, 1, 3)]


def test_a_measurement_is_forgotten_so_that_a_node_gets_another_chance() -> None:
    # Beside the others it is thought to be like them.
    asked = play(FedCS(deadline=5.0, memory=3), [1.0, 2.0, 30.0], 6, 1.0)
    assert [2 in group for group in asked] == [True, False, False, False, True, False]


def test_the_round_s_own_deadline_stands_where_none_is_given() -> None:
    nodes = [node(0, part(1, 3.0)), node(1, late(1, 20.0))]
    quick = FedCS().choose(situation(*nodes, round=2, deadline_s=10.0))
    assert quick.because == (("expected within 10 s", (0,)),)


def test_nobody_in_time_is_said_with_the_fastest() -> None:
    nodes = [node(0, part(1, 30.0)), node(1, part(1, 20.0))]
    choice = FedCS(deadline=5.0).choose(situation(*nodes, round=2))
    assert choice.partitions == ()
    assert choice.nobody == (
        "no node is expected to deliver within 5 s (the fastest, node-2, needs about 20 s): "
        "raise the deadline"
    )


def test_only_a_drawn_share_is_looked_at() -> None:
    asked = play(FedCS(), [1.0] * 20, 5, 0.25)
    assert {len(group) for group in asked} == {5}
    assert len(set(asked)) == 5
