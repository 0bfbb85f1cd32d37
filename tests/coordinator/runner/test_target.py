from __future__ import annotations

from typing import Any

import pytest

from coordinator.runner.target import Reached, Target, first_reached
from fedbed.experiment import Experiment


def curve(*values: float | None) -> list[dict[str, Any]]:
    """Rounds of two seconds and 50 bytes; None is a round without an evaluation."""
    cost = {"wall_s": 2.0, "bytes_up": 20, "bytes_down": 30}
    return [
        {"round": number, **cost, **({} if value is None else {"accuracy": value})}
        for number, value in enumerate(values, start=1)
    ]


def target(**federation: Any) -> Target:
    keys = {"name": "x", "task": "mnist_softmax", "federation": federation}
    return Target(Experiment.model_validate(keys), "accuracy")


def test_the_first_round_that_reached_it_counts_with_all_spent_until_then() -> None:
    found = first_reached(curve(0.5, 0.8, 0.92, 0.7, 0.95), "accuracy", 0.9)
    assert found is not None
    assert (found.round, found.seconds, found.bytes) == (3, 6.0, 150)
    assert found.crossing == pytest.approx(2 + 10 / 12, abs=1e-3)
    assert first_reached(curve(0.5, 0.8), "accuracy", 0.9) is None
    assert first_reached([], "accuracy", 0.9) is None
    assert first_reached(curve(0.5, 0.9), "accuracy", 0.9) == Reached(2, 2.0, 4.0, 100)


@pytest.mark.parametrize(
    ("values", "initial", "crossing"),
    [
        ((0.9,), 0.1, 0.5),
        ((0.9,), None, 1.0),
        ((0.9,), 0.6, 1.0),  # it was there before it learned: nothing to interpolate
        ((0.4, 0.1, 0.6), 0.1, 2.5),  # from the best so far, and not from the round before
        ((0.4, None, 0.6), 0.1, 2.0),
        ((None, None, None, 0.9), 0.1, 2.0),
    ],
)
def test_the_curve_is_that_of_the_best_so_far(
    values: tuple[float | None, ...], initial: float | None, crossing: float
) -> None:
    found = first_reached(curve(*values), "accuracy", 0.5, initial)
    assert found is not None
    assert found.crossing == pytest.approx(crossing)


def test_a_run_stops_only_where_it_is_asked_to() -> None:
    high = curve(0.5, 0.99)
    assert target(target=0.9, stop_at_target=True).is_enough(high)
    assert not target(target=0.9, stop_at_target=True).is_enough(high[:1])
    assert not target(target=0.9).is_enough(high)
    assert not target().is_enough(high)
    assert not Target(None, "accuracy").is_enough(high)


def test_the_result_tells_both_sides() -> None:
    twin = [{"round": 1, "accuracy": 0.99, "wall_s": 1.0}]
    found = target(target=0.9).outcome(curve(0.5, 0.95), twin, 0.1)
    assert found is not None
    assert (found["round"], found["seconds"], found["bytes"]) == (2, 4.0, 100)
    assert (found["centralised"]["round"], found["centralised"]["bytes"]) == (1, 0)
    assert (
        found["text"] == "accuracy of 90 % reached in round 2 (4 s, 100 B); centralised in round 1"
    )


def test_the_result_tells_what_never_came() -> None:
    found = target(target=0.9).outcome(curve(0.5), [], None)
    assert found is not None
    assert (found["round"], found["seconds"], found["centralised"]) == (None, None, None)
    assert found["text"] == "accuracy of 90 % not reached in 1 round"
    assert target().outcome(curve(0.5), [], None) is None
    assert Target(None, "accuracy").outcome(curve(0.5), [], None) is None
