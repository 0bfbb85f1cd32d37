"""The generated pages are current, and their example is a valid experiment."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedbed.experiment import Experiment, docs, loads


def test_the_committed_pages_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--check"]) == 0, capsys.readouterr().err


def test_stale_pages_are_told_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(docs, "__file__", str(tmp_path / "fedbed" / "experiment" / "docs.py"))
    assert docs.main([]) == 2  # no docs folder: not a checkout
    (tmp_path / "docs").mkdir()
    assert docs.main(["--check"]) == 1
    assert "docs/exit-codes.md is stale" in capsys.readouterr().err
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0


def test_the_example_holds_every_default() -> None:
    experiment = loads(docs.example(), "example")
    assert experiment == Experiment(name=experiment.name, task=experiment.task)
