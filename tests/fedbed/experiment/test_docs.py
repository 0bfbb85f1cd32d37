"""The generated pages are current, and their example is a valid experiment."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedbed.errors import UsageError
from fedbed.experiment import Experiment, docs, loads, strategy_docs
from fedbed.experiment.generated import END
from fedbed.experiment.strategies import strategy_names


def test_the_committed_pages_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--check"]) == 0, capsys.readouterr().err


def test_stale_pages_are_told_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(docs, "__file__", str(tmp_path / "fedbed" / "experiment" / "docs.py"))
    assert docs.main([]) == 2  # no docs folder: not a checkout
    (tmp_path / "docs").mkdir()
    strategies = tmp_path / "docs" / "strategies.md"
    strategies.write_text(f"before\n{strategy_docs.PART.begin}old{END}after\n")
    assert docs.main(["--check"]) == 1
    assert "docs/exit-codes.md is stale" in capsys.readouterr().err
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0
    page = strategies.read_text()
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    for name in strategy_names():
        assert f"| `{name}` |" in page


def test_a_page_without_marks_is_not_overwritten() -> None:
    with pytest.raises(UsageError, match="lacks the marks"):
        strategy_docs.PART.renewed("# Strategies")


def test_the_example_holds_every_default() -> None:
    experiment = loads(docs.example(), "example")
    assert experiment == Experiment(name=experiment.name, task=experiment.task)
