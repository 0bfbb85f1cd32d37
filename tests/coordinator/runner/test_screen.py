from __future__ import annotations

import math
from typing import Any

import pytest

from coordinator.runner.screen import allowance, believed, complaint, usual


@pytest.mark.parametrize(
    ("metrics", "samples", "word"),
    [
        ({"num-examples": 10, "loss": 0.5}, 10, ""),
        ({"num-examples": 10}, None, ""),
        ({"num-examples": 11}, 10, "its partition has 10"),
        ({"num-examples": 0}, None, "0 samples"),
        ({"num-examples": True}, None, "True"),
        ({"num-examples": 10.0}, 10, "10.0"),
        ({}, None, "None"),
        ({"num-examples": 10, "loss": math.nan}, 10, "loss"),
        ({"num-examples": 10, "loss": math.inf}, 10, "loss"),
    ],
)
def test_which_metrics_are_believed(
    metrics: dict[str, Any], samples: int | None, word: str
) -> None:
    said = complaint(metrics, samples)
    assert bool(said) == bool(word)
    assert said is None or word in said.text
    assert said is None or said.kind == ("metrics" if word == "loss" else "samples")


@pytest.mark.parametrize(
    ("norms", "middle"),
    [
        ([1.0, 2.0, 3.0], 2.0),
        ([1.0, 2.0, 4.0, 1000.0], 3.0),
        ([5.0, 5.0, 5.0, math.inf], 5.0),
        ([1.0, 1000.0], None),  # who of two is odd?
        ([0.0, 0.0, 1.0], None),  # most have changed nothing at all
        ([1.0, math.inf, math.inf], None),
        ([], None),
    ],
)
def test_the_usual_length_is_the_median_where_it_can_tell(
    norms: list[float], middle: float | None
) -> None:
    assert usual(norms) == usual(norms[::-1]) == middle


def test_who_trains_more_steps_may_go_further() -> None:
    sizes = {0: 100, 1: 100, 2: 50, 3: 400}
    assert allowance(range(4), sizes) == {0: 1, 1: 1, 2: 1, 3: 4}
    del sizes[3]
    assert allowance(range(4), sizes) == dict.fromkeys(range(4), 1), "only of known sizes"
    assert allowance([], {}) == {}
    assert allowance(range(3), {0: 0, 1: 0, 2: 5}) == dict.fromkeys(range(3), 1), "most hold none"


def test_claims_of_samples_count_up_to_ten_times_the_usual() -> None:
    assert believed({0: 100, 1: 200, 2: 90_000}, 10.0) == {2: 2000}
    assert believed({0: 100, 1: 200, 2: 2000}, 10.0) == {}
    assert believed({0: 1, 1: 90_000}, 10.0) == {}
    assert believed({0: 1, 1: 1, 2: 90_000}, 1.5) == {2: 1}
