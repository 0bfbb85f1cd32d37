from __future__ import annotations

import importlib.util

import pytest

from benchmarks.progress import left
from benchmarks.registry import MEASUREMENTS, Measurement, choose
from fedbed.errors import UsageError

SOME = [Measurement(name, name, 10, 60) for name in ("rounds", "overhead", "round-trip")]


def test_without_a_word_all_are_chosen() -> None:
    assert choose([], False, SOME) == SOME


def test_a_quick_call_leaves_out_what_wants_to_be_named() -> None:
    long = Measurement("long", "long", 100, 600, by_name=True)
    assert choose([], True, [*SOME, long]) == SOME
    assert choose([], False, [*SOME, long]) == [*SOME, long]
    assert choose(["lo"], True, [*SOME, long]) == [long]


def test_words_are_beginnings_of_names_and_keep_the_order() -> None:
    assert [one.name for one in choose(["over", "round"], False, SOME)] == [
        one.name for one in SOME
    ]
    assert [one.name for one in choose(["rounds"], True, SOME)] == ["rounds"]


def test_a_word_that_begins_nothing_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no measurement 'ruonds'; did you mean 'rounds'"):
        choose(["rounds", "ruonds"], False, SOME)


def test_every_registered_measurement_has_its_module_and_name_once() -> None:
    assert len({one.name for one in MEASUREMENTS}) == len(MEASUREMENTS)
    for one in MEASUREMENTS:
        assert importlib.util.find_spec(f"benchmarks.{one.module}"), one.module


def test_all_quick_ones_together_stay_below_three_minutes() -> None:
    assert sum(one.seconds(quick=True) for one in choose([], quick=True)) < 180


def test_time_left_counts_what_runs_by_what_it_has_used() -> None:
    assert left(SOME, quick=True, elapsed=4) == 26
    assert left(SOME, quick=True, elapsed=99) == 20  # it takes longer than thought
    assert left(SOME[2:], quick=False, elapsed=10) == 50
    assert left([], quick=False, elapsed=10) == 0
