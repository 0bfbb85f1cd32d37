from __future__ import annotations

import re
from pathlib import Path

import pytest

from fedbed.comparison import docs
from fedbed.comparison.load import plan_of

PAGE = Path(__file__).resolve().parents[3] / "docs" / "compare.md"


def test_the_committed_reference_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--check"]) == 0, capsys.readouterr().err


def test_every_key_and_every_column_is_there() -> None:
    text = docs.reference()
    for key in ("name", "base", "seeds", "variants", "grid", "reference"):
        assert f"| `{key}` |" in text
    assert "against_twin_" in text


def test_the_files_of_the_page_can_be_compared(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block)
        assert len(plan_of([path]).variants) > 1


def test_every_file_that_is_written_is_documented() -> None:
    source = (PAGE.parents[1] / "fedbed" / "comparison" / "files.py").read_text()
    written = set(re.findall(r'folder / "([a-z.]+)"', source))
    assert len(written) == 5
    for name in written:
        assert f"`{name}`" in PAGE.read_text()
