"""The frame, with measurements that cost nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks.__main__ import main
from benchmarks.registry import Measurement
from benchmarks.rows import Row
from fedbed.errors import DataError


def good(quick: bool) -> list[Row]:
    return [Row("round", 1.0 if quick else 2.0, "s", peer=30.0, peer_name="stock Flower")]


def broken(_quick: bool) -> list[Row]:
    raise RuntimeError("two\nlines")


def without_data(_quick: bool) -> list[Row]:
    raise DataError("no CIFAR-10 here")


def interrupted(_quick: bool) -> list[Row]:
    raise KeyboardInterrupt


@pytest.fixture
def frame(monkeypatch: pytest.MonkeyPatch) -> list[Measurement]:
    module = ModuleType("benchmarks.made_up")
    vars(module).update(good=good, broken=broken, data=without_data, ctrl_c=interrupted)
    monkeypatch.setitem(sys.modules, "benchmarks.made_up", module)
    return [Measurement(name, "made_up", 1, 1, name) for name in ("good", "data", "broken")]


def written(folder: Path, name: str) -> dict[str, object]:
    document: dict[str, object] = json.loads((folder / f"{name}.json").read_text())
    return document


def rows(document: dict[str, object]) -> list[tuple[str, object, str]]:
    found = document["rows"]
    assert isinstance(found, list)
    return [(row["what"], row["ours"], row["note"]) for row in found]


def test_a_quick_call_prints_the_table_and_writes_figures_and_plot(
    frame: list[Measurement], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--quick", "--output", str(tmp_path)], frame[:1]) == 0
    assert rows(written(tmp_path, "quick")) == [("round", 1.0, "")]
    assert "<svg" in (tmp_path / "quick.svg").read_text()
    out = capsys.readouterr()
    assert "30.0 x" in out.out
    assert "[1/1] good" in out.err


def test_missing_data_and_a_failure_leave_the_other_figures_alone(
    frame: list[Measurement], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--output", str(tmp_path)], frame) == 1
    assert rows(written(tmp_path, "latest")) == [
        ("round", 2.0, ""),
        ("data", None, "not measured: no CIFAR-10 here"),
        ("broken", None, "failed: RuntimeError: two lines"),
    ]
    assert "Traceback" not in capsys.readouterr().err
    assert main(["--output", str(tmp_path)], frame[:2]) == 0


def test_ctrl_c_keeps_what_was_measured_and_says_so(
    frame: list[Measurement], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = [frame[0], Measurement("ctrl_c", "made_up", 1, 1, "ctrl_c"), frame[2]]
    assert main(["--output", str(tmp_path)], ended) == 130
    document = written(tmp_path, "partial")
    assert rows(document) == [("round", 2.0, "")]
    assert document["measurements"] == ["good", "ctrl_c", "broken"]
    assert not (tmp_path / "latest.json").exists()
    assert "interrupted" in capsys.readouterr().err


def test_a_choice_is_a_partial_result(frame: list[Measurement], tmp_path: Path) -> None:
    assert main(["go", "--output", str(tmp_path)], frame) == 0
    assert rows(written(tmp_path, "partial")) == [("round", 2.0, "")]


def test_an_unknown_name_measures_nothing(
    frame: list[Measurement], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["god", "--output", str(tmp_path / "none")], frame) == 2
    assert "did you mean 'good'" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
