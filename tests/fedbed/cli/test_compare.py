from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from rich.console import Console

from fedbed.cli import compare, results
from fedbed.cli.compare import Line
from fedbed.cli.session import Outcome

LINES = [
    Line("exp", 1, "accuracy", 0.9, 0.94, 0.04, "clean", "r1"),
    Line("exp", 2, "accuracy", 0.92, 0.94, 0.02, "clean", "r2"),
    Line("other", 1, "accuracy", 0.5, None, None, "clean", "r3"),
]


def test_mean_and_sample_standard_deviation() -> None:
    found = compare.report(LINES, "c1")["experiments"]
    assert [one["name"] for one in found] == ["exp", "other"]
    summary = found[0]["summary"]
    assert summary["federated"] == pytest.approx({"n": 2, "mean": 0.91, "std": 0.02 / 2**0.5})
    assert summary["gap"] == pytest.approx({"n": 2, "mean": 0.03, "std": 0.02 / 2**0.5})
    assert found[1]["summary"]["federated"] == {"n": 1, "mean": 0.5, "std": None}
    assert found[1]["summary"]["centralised"] == {"n": 0, "mean": None, "std": None}


def test_files_and_that_latest_stays_a_run_with_a_report(tmp_path: Path) -> None:
    results.point_latest(tmp_path, "r3")
    compare.write(LINES, tmp_path / "c1")
    assert (tmp_path / "latest").readlink() == Path("r3")
    stored = json.loads((tmp_path / "c1" / "comparison.json").read_text())
    assert stored == compare.report(LINES, "c1")
    with (tmp_path / "c1" / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["r1", "r2", "r3"]
    assert rows[0]["federated"] == "0.9"
    assert rows[2]["centralised"] == ""


def test_the_table_says_what_its_figures_are(capsys: pytest.CaptureFixture[str]) -> None:
    compare._show(LINES, Console(width=80))
    out = capsys.readouterr().out
    assert "+3.00 points ± 1.41" in out
    assert "gap: centralised - federated" in out
    assert "±: sample standard deviation over the seeds" in out
    compare._show(LINES[2:], Console(width=80))
    assert "±" not in capsys.readouterr().out


def test_a_runs_figures() -> None:
    result = {"final": {"federated": 0.9, "centralised": 0.94}, "gap": 0.04}
    outcome = Outcome({"id": "r1"}, Path("r1"), result | {"verdict": {"status": "clean"}})
    assert compare.line_of("exp", 1, outcome) == LINES[0]
