"""Plans are carried out cell by cell: resumed, with failures, and interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedbed.comparison.carrying import carry_out
from fedbed.comparison.files import Results
from fedbed.comparison.plan import Cell
from fedbed.comparison.schedule import line, seconds_left
from fedbed.comparison.store import Store, ground
from fedbed.errors import CoordinatorAway, Interrupted, NameTaken, RunFailed, UsageError
from tests.fedbed.comparison import samples

PLAN = samples.plan(("a", "b"), (1, 2))
CELLS = PLAN.cells("here")


class Runner:
    """Leaves a result for each cell, but for those that `errors` names by title."""

    def __init__(self, store: Store, **errors: Exception) -> None:
        self._store = store
        self._errors = errors
        self.ran: list[str] = []
        self.headings: list[str] = []

    def __call__(self, cell: Cell, heading: Callable[[float | None], str]) -> dict[str, Any]:
        name = f"{cell.variant.name}{cell.seed}"
        self.ran.append(name)
        self.headings.append(heading(None))
        if name in self._errors:
            raise self._errors[name]
        found = samples.result(cell.variant.name, cell.seed, 0.9, 0.91)
        folder = self._store.runs / found["id"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "result.json").write_text(json.dumps(found))
        return found


def go(store: Store, **errors: Exception) -> tuple[Runner, list[tuple[int, str]]]:
    told: list[tuple[int, str]] = []
    runner = Runner(store, **errors)

    def after(cell: Cell, number: int, seconds: float, error: str) -> None:
        told.append((number, error))

    carry_out(CELLS, store, runner, after)
    return runner, told


def test_every_seed_of_every_variant_is_run_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    runner, told = go(store)
    assert runner.ran == ["a1", "b1", "a2", "b2"]
    assert told == [(1, ""), (2, ""), (3, ""), (4, "")]
    assert runner.headings[0].startswith("cell 1 of 4: a, seed 1 (")
    assert "left" not in runner.headings[0]
    assert "about" in runner.headings[1]
    again, told = go(store)
    assert (again.ran, told) == ([], [])
    assert Results(PLAN, CELLS, store).figures().runs == 4


def test_where_runs_take_long_the_report_is_not_left_behind_the_tables(tmp_path: Path) -> None:
    store = Store(tmp_path)
    results = Results(PLAN, CELLS, store)
    results.write_all()
    assert "0 of 4 runs" in (tmp_path / "report.html").read_text()
    with pytest.raises(Interrupted):
        go(store, b1=Interrupted("Ctrl-C"))
    results.write_after(0.5)
    assert "0 of 4 runs" in (tmp_path / "report.html").read_text()
    assert "a,1," in (tmp_path / "metrics.csv").read_text()
    results.write_after(60.0)
    assert "1 of 4 runs" in (tmp_path / "report.html").read_text()


def test_a_failure_is_written_down_and_tried_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    runner, told = go(store, b1=RunFailed("no nodes"))
    assert runner.ran == ["a1", "b1", "a2", "b2"]
    assert told[1] == (2, "no nodes")
    figures = Results(PLAN, CELLS, store).figures()
    assert figures.failed == [("b", 1, "no nodes")]
    assert figures.runs == 3
    assert go(store)[0].ran == ["b1"]
    assert Results(PLAN, CELLS, store).figures().failed == []


@pytest.mark.parametrize("error", [Interrupted("Ctrl-C"), CoordinatorAway("gone")])
def test_what_would_befall_the_others_too_ends_it_and_it_goes_on_later(
    tmp_path: Path, error: Exception
) -> None:
    store = Store(tmp_path)
    with pytest.raises(type(error)):
        go(store, a2=error)
    figures = Results(PLAN, CELLS, store).figures()
    assert (figures.runs, figures.failed) == (2, [])
    assert [variant.missing for variant in figures.variants] == [1, 1]
    assert go(store)[0].ran == ["a2", "b2"]


@pytest.mark.parametrize("damage", ["{", "[]", '{"state": "stopped"}', None])
def test_a_result_that_is_not_whole_is_no_result(tmp_path: Path, damage: str | None) -> None:
    store = Store(tmp_path)
    go(store)
    path = next(store.runs.glob("*-a-1/result.json"))
    if damage is None:
        path.unlink()
    else:
        path.write_text(damage)
    assert go(store)[0].ran == ["a1"]


def test_a_damaged_record_and_a_forgotten_one_are_run_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    go(store)
    (tmp_path / "cells" / f"{CELLS[0].key}.json").write_text('{"key": 1}')
    store.forget(CELLS[3])
    assert go(store)[0].ran == ["a1", "b2"]


def test_one_process_at_a_time(tmp_path: Path) -> None:
    message = "another `fedbed compare` works in"
    with Store(tmp_path).locked(), pytest.raises(NameTaken, match=message):
        Store(tmp_path).locked().__enter__()
    with Store(tmp_path).locked():
        pass


def test_where_nothing_can_be_written_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="--output"):
        Store(tmp_path / "file").keep(CELLS[0], "finished", "r", 1.0)
    with pytest.raises(UsageError, match="--output"):
        Store(tmp_path / "file").locked().__enter__()


def test_results_here_are_not_taken_for_those_of_other_nodes() -> None:
    assert ground(None) != ground("http://pc:8470")
    assert "torch" in ground(None)


def test_the_time_left() -> None:
    assert seconds_left({}, ["a", "b"]) is None
    assert seconds_left({"a": [10.0, 20.0]}, ["a", "a"]) == 30
    assert seconds_left({"a": [10.0], "b": [30.0]}, ["a", "b", "c"]) == 60
    assert seconds_left({"a": [10.0]}, ["a"], "a", 4.0) == 16
    assert seconds_left({"a": [10.0]}, ["a"], "a", 40.0) == 10
    assert seconds_left({"a": [10.0]}, ["a"], "a", 4.0, 20.0) == 30
    assert seconds_left({}, ["a", "a"], "a", 4.0, 6.0) == 26
    assert seconds_left({"a": [5.0]}, []) == 0


def test_where_a_comparison_is() -> None:
    assert line(3, 12, "10 nodes, seed 2", 250.4, None) == (
        "cell 3 of 12: 10 nodes, seed 2 (4 min 10 s)"
    )
    assert line(1, 2, "x", 3, 120) == "cell 1 of 2: x (3 s, about 2 min left)"
