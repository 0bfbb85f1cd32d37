from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.clock import Timing, durations, read_clock


def test_rounds_last_from_one_end_to_the_next() -> None:
    assert durations([10.0, 12.5, 13.0]) == [2.5, 0.5]
    assert durations([10.0]) == []


def test_the_first_round_stands_apart_and_the_median_is_of_the_others() -> None:
    timing = Timing.of([[9.0, 1.0, 5.0, 2.0]])
    assert (timing.first, timing.usual, timing.slowest) == (9.0, 2.0, 5.0)


def test_rounds_of_several_runs_are_pooled_without_their_first() -> None:
    timing = Timing.of([[9.0, 1.0, 2.0], [11.0, 3.0, 4.0, 5.0]])
    assert (timing.first, timing.usual, timing.slowest) == (11.0, 3.0, 5.0)


@pytest.mark.parametrize("runs", [[], [[3.0]], [[3.0, 1.0], []]])
def test_a_run_without_a_second_round_is_refused(runs: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="no usual round"):
        Timing.of(runs)


@pytest.mark.parametrize("text", [None, "", "[1.0, 2"])
def test_a_clock_that_is_not_written_yet_has_no_ends(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "clock.json"
    if text is not None:
        path.write_text(text)
    assert read_clock(path) == []


def test_a_clock_is_read(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    path.write_text("[1, 2.5]")
    assert read_clock(path) == [1.0, 2.5]
