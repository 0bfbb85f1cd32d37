from __future__ import annotations

import io

import pytest
from rich.console import Console

from benchmarks import table
from benchmarks.rows import Row

ROWS = [
    Row("round [torch]", 52.34, "ms", 100, True, True, 6212.0, "stock Flower", "a note"),
    Row("large round", 1.634, "s", goal=1.5),
    Row("encode", 812.0, "MB/s", goal=400, at_least=True, peer=1.94, peer_name="JSON"),
    Row("fleet", None, "", note="failed: no sockets"),
    Row("beside nobody", 1.0, "ms", 100, True, True, note="stock Flower isn't installed here"),
]


def test_cells_say_figures_peer_goal_and_verdict() -> None:
    found = [table.cells(row) for row in ROWS]
    assert found[0][1:] == ("52.3 ms", "6,212 ms, stock Flower", "119 x", ">= 100 x", "ok")
    assert found[1][1:] == ("1.63 s", "", "", "<= 1.5 s", "MISSED")
    assert found[2][1:] == ("812 MB/s", "1.94 MB/s, JSON", "419 x", ">= 400 MB/s", "ok")
    assert found[3][1:] == ("not measured", "", "", "", "")
    assert found[4][1:] == ("1.00 ms", "", "", ">= 100 x", "open")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.0333, "0.033"),
        (0.00012, "0.00012"),
        (1.634, "1.63"),
        (25.37, "25.4"),
        (-25.37, "-25.4"),
        (6212.4, "6,212"),
    ],
)
def test_figures_have_three_digits_or_so(value: float, text: str) -> None:
    assert table.figure(value) == text


def test_the_tally_counts_reached_and_open_goals() -> None:
    assert table.tally(ROWS) == "2 of 4 goals reached, 1 open"
    assert table.tally(ROWS[:1]) == "1 of 1 goals reached"


@pytest.mark.parametrize("width", [100, 200])
def test_the_printed_table_fits_in_a_hundred_columns_and_keeps_brackets(width: int) -> None:
    out = io.StringIO()
    table.show(ROWS, Console(file=out, width=width))
    text = out.getvalue()
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "round [torch]" in text
    assert "MISSED" in text
    assert "fleet: failed: no sockets" in text


def test_the_table_of_the_page_escapes_what_markdown_would_take_for_its_own() -> None:
    lines = table.markdown([Row("a | b", 1.0, "s", goal=2, note="x\ny")]).splitlines()
    assert len(lines) == 3
    assert lines[2] == "| a \\| b | 1.00 s |  |  | &lt;= 2 s | ok | x y |"
