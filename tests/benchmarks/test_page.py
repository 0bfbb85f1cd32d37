"""docs/performance.md shows the figures of the last complete call, and explains every one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import page, results
from benchmarks.registry import MEASUREMENTS
from benchmarks.rows import Row


def test_the_page_shows_the_latest_figures() -> None:
    document = json.loads((results.FOLDER / "latest.json").read_text())
    text = page.PAGE.read_text()
    assert page.with_block(text, document) == text
    assert document["complete"]
    assert document["mode"] == "full"


def test_the_page_explains_every_measurement() -> None:
    headings = [line for line in page.PAGE.read_text().splitlines() if line.startswith("## ")]
    for one in MEASUREMENTS:
        assert any(f"`{one.name}`" in heading for heading in headings), one.name


def test_new_figures_replace_the_old_ones_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    row = Row("round", 1.6, "s", goal=1.5, note="why")
    document = results.describe([row], False, ["rounds"], True, 600.0)
    page.update(document, path)
    text = path.read_text()
    assert text.startswith(f"before\n{page.BEGIN}\n0 of 1 goals reached. Measured ")
    assert text.endswith(f"{page.END}\nafter\n")
    assert "| round | 1.60 s |  |  | &lt;= 1.5 s | MISSED | why |" in text
    assert "old" not in text
    page.update(document, path)
    assert path.read_text() == text


def test_a_page_without_its_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="the page has no"):
        page.with_block("nothing", {})
