from __future__ import annotations

import math
import random

import pytest

from fedbed.comparison.statistics import Estimate, estimate, paired, t_quantile, t_within

TABLE = {
    1: 12.7062,
    2: 4.30265,
    3: 3.18245,
    4: 2.77645,
    5: 2.57058,
    6: 2.44691,
    7: 2.36462,
    8: 2.30600,
    9: 2.26216,
    10: 2.22814,
    19: 2.09302,
    29: 2.04523,
    30: 2.04227,
    60: 2.00030,
    120: 1.97993,
}
"""Two-sided 95 % quantiles, as every table of Student's distribution has them."""


@pytest.mark.parametrize("freedom", TABLE)
def test_quantiles_are_those_of_the_tables(freedom: int) -> None:
    assert t_quantile(freedom) == pytest.approx(TABLE[freedom], abs=6e-5)


def test_other_confidences_and_the_normal_limit() -> None:
    assert t_quantile(2, 0.90) == pytest.approx(2.91999, abs=1e-5)
    assert t_quantile(4, 0.99) == pytest.approx(4.60409, abs=1e-5)
    assert t_quantile(9999) == pytest.approx(1.96020, abs=1e-5)


def test_closed_forms_of_few_degrees_of_freedom() -> None:
    for t in (0.0, 0.1, 1.0, 3.0, 100.0):
        assert t_within(t, 1) == pytest.approx(2 / math.pi * math.atan(t))
        assert t_within(t, 2) == pytest.approx(t / math.sqrt(2 + t * t))


@pytest.mark.parametrize(("freedom", "confidence"), [(0, 0.95), (-1, 0.95), (3, 0.0), (3, 1.0)])
def test_there_are_no_quantiles_of_nothing(freedom: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        t_quantile(freedom, confidence)


def test_mean_with_its_interval() -> None:
    found = estimate([0.90, 0.92, 0.94])
    assert found is not None
    assert found.n == 3
    assert found.mean == pytest.approx(0.92)
    assert found.std == pytest.approx(0.02)
    assert found.half == pytest.approx(4.30265 * 0.02 / math.sqrt(3), rel=1e-5)
    assert found.interval == pytest.approx((0.92 - 0.049683, 0.92 + 0.049683), abs=1e-6)


def test_one_seed_has_no_interval_and_none_no_mean() -> None:
    found = estimate([0.9])
    assert found == Estimate(1, 0.9)
    assert found.interval is None
    assert not found.excludes_zero
    assert estimate([]) is None


def test_equal_values_give_an_interval_without_width() -> None:
    found = estimate([0.5, 0.5])
    assert found is not None
    assert found.half == 0.0


def test_differences_are_taken_seed_by_seed() -> None:
    mine, others = {1: 0.5, 2: 0.7, 3: 0.9}, {3: 0.91, 2: 0.71, 1: 0.51, 4: 0.0}
    found = paired(mine, others)
    assert found is not None
    assert found.n == 3
    assert found.mean == pytest.approx(-0.01)
    assert found.half == pytest.approx(0.0, abs=1e-12)
    assert found.excludes_zero
    assert paired(mine, {7: 0.1}) is None


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    draw = random.Random(1)
    hits = 0
    for _ in range(2000):
        found = estimate([draw.gauss(3.0, 2.0) for _ in range(3)])
        assert found is not None
        assert found.interval is not None
        low, high = found.interval
        hits += low <= 3.0 <= high
    assert 0.935 <= hits / 2000 <= 0.965
