from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedbed.units import (
    format_bytes,
    format_duration,
    format_names,
    parse_duration,
    write_duration,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5 minutes", 300),
        ("1h30m", 5400),
        (" 1 h 30 min ", 5400),
        ("1 day 2 hours", 93600),
        ("2w", 1209600),
        ("250 ms", 0.25),
        ("1s 500ms", 1.5),
        ("1.5h", 5400),
        ("0s", 0),
        ("90", 90),
        (90, 90),
        (0.5, 0.5),
    ],
)
def test_durations_are_read(text: Any, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "soon", "-3s", "3 parsecs", "1m1m", "30s 1h", "1h30", "s", "1e999s", "10M", "٣s"]
    + ["5 min utes", "9" * 400, -1, float("nan"), float("inf"), 10**400, True, None, [1]],
)
def test_what_is_no_duration_is_refused_in_one_line(text: Any) -> None:
    with pytest.raises(ValueError, match="is no duration; write for example '30s'") as caught:
        parse_duration(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (30, "30s"), (60, "1m"), (5400, "1h30m"), (3661, "1h1m1s"), (0.25, "0.25s")],
)
def test_durations_are_written_for_files(seconds: float, text: str) -> None:
    assert write_duration(seconds) == text


@given(st.floats(min_value=0, max_value=1e9))
def test_what_is_written_reads_back_exactly(seconds: float) -> None:
    assert parse_duration(write_duration(seconds)) == seconds


@given(st.text())
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        assert parse_duration(text) >= 0
    except ValueError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.35, "350 ms"),
        (0.9996, "1 s"),
        (3.44, "3.4 s"),
        (9.97, "10 s"),
        (41, "41 s"),
        (59.6, "1 min"),
        (80, "1 min 20 s"),
        (3599.7, "1 h"),
        (7500, "2 h 5 min"),
        (86399, "1 d"),
        (100_000, "1 d 4 h"),
        (-80, "-1 min 20 s"),
        (float("nan"), "unknown"),
        (float("inf"), "for ever"),
    ],
)
def test_durations_are_shown_to_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (44_700_000, "44.7 MB"),
        (2 * 10**12, "2.0 TB"),
        (3 * 10**15, "3.0 PB"),
        (-812, "-812 B"),
    ],
)
def test_sizes_are_shown_to_people(n: int, text: str) -> None:
    assert format_bytes(n) == text


def test_names_beyond_the_most_are_counted() -> None:
    names = ["pi-1", "pi-2", "pi-3"]
    assert format_names([], 2) == ""
    assert format_names(names, 3) == "pi-1, pi-2, pi-3"
    assert format_names(names, 2) == "pi-1, pi-2 and 1 more"
