from __future__ import annotations

from pathlib import Path

import pytest

from fedbed.cli import data_add
from fedbed.cli.main import main
from fedbed.data import load
from tests.fedbed.data import painting


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path / "data"))
    painting.paint(tmp_path / "photos", [f"{site}_{i}" for site in "abcde" for i in range(2)])
    return tmp_path / "photos"


def add(folder: Path, *more: str) -> int:
    return main(["data", "add", str(folder), "--name", "sky", *more])


def test_a_folder_is_added_described_and_known(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = ("--classes", "ground, cloud,shadow")
    assert add(photos, *classes, "--groups-pattern", "([^_]+)_", "--test-percent", "40") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("sky is in ")
    assert lines[1].startswith("  train  6 samples of 16x16 in 3 groups: ground ")
    assert lines[2].startswith("  test   4 samples of 16x16 in 2 groups: ground ")
    assert "data.dataset: sky" in lines[3]
    assert load("sky").classes == ("ground", "cloud", "shadow")
    assert main(["data", "check", "sky"]) == 0
    assert main(["data", "fetch", "sky"]) == 0
    assert "sky: 0 files fetched, all 2 intact" in capsys.readouterr().out


def test_groups_of_an_index_that_stand_on_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path / "data"))
    painting.paint(tmp_path / "both" / "train", ["a", "b"])
    painting.paint(tmp_path / "both" / "test", ["c"])
    (tmp_path / "both" / "list.csv").write_text("file,town\na.png,x\nb.png,y\nc.png,y\n")
    assert add(tmp_path / "both", "--classes", "a,b,c", "--groups-from", "list.csv:town") == 0
    assert "note   in train and in test: 1 group; the test" in capsys.readouterr().out


def test_each_problem_is_a_line(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "masks" / "a_0.png").unlink()
    assert add(photos, "--classes", "ground,cloud") == 4
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "images/a_0.png: has no mask of that name in masks/"
    assert lines[1].startswith("masks/a_1.png: holds the value 2 (the first at row 0, column 2)")
    assert len(lines) == 1 + 9 + 1
    assert lines[-1] == f"fedbed: {photos} has 10 problems, nothing was added"
    monkeypatch.setattr(data_add, "_MOST_PROBLEMS", 3)
    assert add(photos, "--classes", "ground,cloud") == 4
    assert capsys.readouterr().err.splitlines()[3] == "... and 7 more"
    painting.paint(photos, ["a_0"])
    assert add(photos, "--classes", "ground,cloud,shadow,snow") == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"fedbed: {photos} has a problem, nothing was added: class 'snow'")
    assert main(["data", "list"]) == 0
    assert "sky" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--groups-from", "list.csv"], "give a CSV file that lies in the folder, and its column"),
        (["--groups-from", "../list.csv:x"], "give a CSV file that lies in the folder"),
        (["--groups-from", "a:b", "--groups-pattern", "x"], "not allowed with argument"),
        (["--test-percent", "91"], "given '91', allowed: 1 to 90"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_flags_that_will_not_do(
    photos: Path, more: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(photos, "--classes", "a,b,c", *more) == 2
    assert says in capsys.readouterr().err
    assert add(photos / "nowhere", "--classes", "a,b,c") == 2
    assert "there is no folder" in capsys.readouterr().err
