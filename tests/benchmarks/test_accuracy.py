from __future__ import annotations

import pytest

from benchmarks import accuracy


def test_costs_are_compared_seed_by_seed() -> None:
    finals = {
        "exact": [0.981, 0.983, 0.982],
        "bf16": [0.981, 0.982, 0.983],
        "small": [0.976, 0.978, 0.977],
    }
    bf16, small = accuracy.rows(finals, accuracy.GOALS)
    assert bf16.ours == pytest.approx(0)
    assert bf16.reached is True
    assert small.ours == pytest.approx(0.5)
    assert small.reached is False
    assert "exact 98.20 %, here 97.70 %" in small.note


def test_smaller_runs_have_no_goals() -> None:
    rows = accuracy.rows({"exact": [0.9, 0.9], "int8": [0.8, 0.9]}, {})
    assert [row.reached for row in rows] == [None]


def test_each_goal_is_of_something_that_is_run() -> None:
    assert set(accuracy.GOALS) == set(accuracy.WAYS) - {accuracy.EXACT}
