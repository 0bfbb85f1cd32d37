from __future__ import annotations

from pathlib import Path

import pytest

from fedbed.telemetry import docs
from fedbed.telemetry.definition import MEASUREMENTS

PAGE = Path(__file__).parents[3] / "docs" / "monitoring.md"


def test_the_committed_tables_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--check"]) == 0, capsys.readouterr().err


def test_the_page_has_every_measurement_field_unit_and_tag() -> None:
    sections = PAGE.read_text().split("\n### ")
    for measurement in MEASUREMENTS:
        (section,) = (s for s in sections if s.startswith(f"{measurement.name}\n"))
        assert measurement.meaning in section and measurement.when in section
        for tag in measurement.tags:
            assert f"`{tag.name}`: {tag.meaning}" in section
        for field in measurement.fields:
            (row,) = (line for line in section.splitlines() if f"| `{field.name}` |" in line)
            assert field.unit in row and field.meaning in row and field.type in row
            assert ("only grows" in row) == field.is_counter
