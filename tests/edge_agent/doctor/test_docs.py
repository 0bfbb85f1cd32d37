from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.doctor import docs
from edge_agent.doctor.examination import checks

PAGE = Path(__file__).parents[3] / "docs" / "doctor.md"


def test_the_committed_table_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--check"]) == 0, capsys.readouterr().err


def test_the_page_has_every_check() -> None:
    page = PAGE.read_text()
    for check in checks():
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{check.name}` |"))
        assert check.why in row
        assert check.warns in row
        assert check.fails in row
