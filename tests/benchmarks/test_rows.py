from __future__ import annotations

import json

import pytest

from benchmarks.rows import Row


def test_less_is_better_for_times_and_more_for_speeds() -> None:
    assert Row("round", 50.0, "ms", peer=6000.0).ratio == pytest.approx(120)
    assert Row("encode", 400.0, "MB/s", peer=100.0).ratio == pytest.approx(4)
    assert Row("encode", 100.0, "MB/s", peer=400.0).ratio == pytest.approx(0.25)


@pytest.mark.parametrize(
    "row",
    [
        Row("no peer", 1.0, "s"),
        Row("not measured", None, "s", peer=3.0),
        Row("nothing to divide by", 0.0, "%", peer=0.5),
    ],
)
def test_without_both_figures_there_is_no_ratio(row: Row) -> None:
    assert row.ratio is None


def test_a_goal_bounds_the_figure_from_above_or_below() -> None:
    assert Row("round", 1.4, "s", goal=1.5).reached is True
    assert Row("round", 1.6, "s", goal=1.5).reached is False
    assert Row("encode", 399.0, "MB/s", goal=400, at_least=True).reached is False
    assert Row("encode", 400.0, "MB/s", goal=400, at_least=True).reached is True


def test_a_goal_of_the_ratio_looks_at_nothing_else() -> None:
    def beside(peer: float | None) -> Row:
        return Row("round", 50.0, "ms", goal=100, at_least=True, of_ratio=True, peer=peer)

    assert beside(5000.0).reached is True
    assert beside(4999.0).reached is False
    assert beside(None).reached is None


def test_a_figure_that_is_missing_is_no_missed_goal() -> None:
    assert Row("round", None, "s", goal=1.5).reached is None


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (Row("ratio", 50.0, "ms", goal=100, at_least=True, of_ratio=True, peer=9000.0), 100),
        (Row("time", 1.0, "s", goal=1.5, peer=30.0), 20),
        (Row("speed", 500.0, "MB/s", goal=400, at_least=True, peer=800.0), 0.5),
        (Row("no goal", 1.0, "s", peer=2.0), None),
        (Row("no peer", 1.0, "s", goal=2.0), None),
    ],
)
def test_the_goal_as_a_ratio(row: Row, expected: float | None) -> None:
    assert row.ratio_at_goal == (None if expected is None else pytest.approx(expected))


def test_json_gives_the_same_row_back_and_says_what_follows_from_it() -> None:
    row = Row("round", 1.6, "s", goal=1.5, peer=32.0, peer_name="stock Flower", note="why")
    data = json.loads(json.dumps(row.to_json()))
    assert Row.from_json(data) == row
    assert (data["ratio"], data["reached"]) == (20.0, False)
