from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from fedbed.cli import results

RESULT = {
    "metric": "accuracy",
    "final": {"federated": 0.9712, "centralised": 0.978},
    "gap": 0.0068,
    "rounds": 10,
    "task": "mnist_mlp",
    "dataset": "mnist",
    "wall_s": 12.0,
    "bytes_up": 4_100_000,
    "bytes_down": 4_400_000,
    "overhead_s": {"median": 0.04},
    "verdict": {"status": "tainted", "reasons": ["throttled"]},
}


def test_latest_follows_and_is_replaced_in_one_step(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        assert results.point_latest(tmp_path, name)
        assert (tmp_path / "latest").readlink() == Path(name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "latest"]


def test_a_folder_of_that_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    assert not results.point_latest(tmp_path, "a")
    assert (tmp_path / "latest").is_dir()


def test_the_end_of_a_run(tmp_path: Path) -> None:
    folder = tmp_path / ("a-long-folder-" * 10)
    folder.mkdir()
    (folder / "report.html").touch()
    (folder / "result.json").write_text(json.dumps(RESULT))
    results.point_latest(tmp_path, folder.name)
    out = io.StringIO()
    results.show(results.read(folder), folder, Console(file=out, width=80))
    text = out.getvalue()
    for wanted in ("97.12 %", "97.80 %", "+0.68 points", "tainted: throttled", "10 rounds"):
        assert wanted in text
    assert f"report   {folder / 'report.html'}\n" in text
    assert f"files    {folder}/ (also {tmp_path / 'latest'})\n" in text


@pytest.mark.parametrize("width", [50, 56, 80])
def test_a_narrow_terminal_breaks_lines_between_words(tmp_path: Path, width: int) -> None:
    out = io.StringIO()
    reasons = ["round 3 went without node-2: silent for 41 s", "the machine swapped memory"]
    result = RESULT | {"verdict": {"status": "tainted", "reasons": reasons}}
    results.show(result, tmp_path / "none", Console(file=out, width=width, force_terminal=True))
    lines = [line.rstrip() for line in Text.from_ansi(out.getvalue()).plain.splitlines()]
    assert all(len(line) <= width for line in lines)
    words = " ".join(" ".join(lines).split())
    assert ": ".join(("tainted", ", ".join(reasons))) in words
    assert "10 rounds, mnist_mlp on mnist, 12 s" in words
    for figure in ("97.12 %", "97.80 %", "+0.68 points"):
        assert any(figure in line for line in lines)


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (100, ["report   {0}/report.html", "files    {0}/ (also {1}/latest)"]),
        (36, ["report   {0}/report.html", "files    {0}/", "         (also {1}/latest)"]),
        (28, ["report", "  {0}/report.html", "files    {0}/", "         (also {1}/latest)"]),
    ],
)
def test_a_path_stays_in_one_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, lines: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/12345")
    folder.mkdir(parents=True)
    (folder / "report.html").touch()
    results.point_latest(Path("runs"), "12345")
    out = io.StringIO()
    results.paths(folder, Console(file=out, width=width, force_terminal=True))
    assert out.getvalue().splitlines() == [line.format(folder, "runs") for line in lines]


def test_a_run_without_a_twin_has_no_columns_for_one(tmp_path: Path) -> None:
    out = io.StringIO()
    alone = RESULT | {"final": {"federated": 0.6567, "centralised": None}, "gap": None}
    results.show(alone, tmp_path / "none", Console(file=out, width=80))
    assert "65.67 %" in out.getvalue()
    assert "centralised" not in out.getvalue()


def test_the_sign_of_the_gap_is_explained(tmp_path: Path) -> None:
    out = io.StringIO()
    results.show(RESULT, tmp_path / "none", Console(file=out, width=80))
    assert "centralised - federated" in out.getvalue()


def test_a_result_that_is_missing_or_broken_is_no_error(tmp_path: Path) -> None:
    assert results.read(tmp_path) == {}
    (tmp_path / "result.json").write_text("[1,")
    assert results.read(tmp_path) == {}
    out = io.StringIO()
    results.show({}, tmp_path, Console(file=out))
    results.show({"final": None, "rounds": [1, 2]}, tmp_path, Console(file=out))
    assert "2 rounds" in out.getvalue()
