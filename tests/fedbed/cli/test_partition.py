from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedbed.cli.main import main
from fedbed.experiment import picture
from fedbed.experiment.picture import Holding

TOY = """
name: toy
task: mnist_softmax
data: {dataset: synthetic-digits, train_samples: 600, test_samples: 100, partition: shards}
federation: {nodes: 5}
"""


@pytest.fixture
def toy(tmp_path: Path) -> str:
    (tmp_path / "toy.yaml").write_text(TOY)
    return str(tmp_path / "toy.yaml")


def test_a_split_is_shown_without_any_training(
    toy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["partition", toy, "--seed", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["partition", "samples", "classes"]
    assert [line.split()[:2] for line in lines[1:6]] == [[str(p), "120"] for p in range(5)]
    assert all(len(line.split()[2]) == 10 for line in lines[1:6])
    assert "synthetic-digits, shards (shards_per_node 2), seed 3" in lines[6]
    assert any("% of the samples would have to be of another class" in line for line in lines)


def test_it_is_the_split_of_a_run(toy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["partition", toy, "--nodes", "7", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["train_sizes"]) == len(found["class_counts"]) == 7
    assert sum(map(sum, found["class_counts"])) == sum(found["train_sizes"]) == 600
    assert len(found["hash"]) == 64


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_it_is_drawn_where_it_is_asked_for(
    toy: str, tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"split.{ending}"
    for _ in range(2):
        assert main(["partition", toy, "--output", str(file)]) == 0
        first = file.read_bytes()
    assert file.read_bytes() == first, "the same split is the same file"
    assert (b"<svg" if ending == "svg" else b"PNG") in first
    assert f"drawn in {file}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--output", "split.gif"], 2, "'split.gif': a picture's name ends in .svg, .png, .pdf"),
        (["--output", "/nowhere/split.svg"], 2, "'/nowhere/split.svg' can't be written: No such"),
        (["--set", "data.partition=groups"], 3, "'groups' divides by scene or site"),
        (["--set", "data.partition={scheme: quantity, alpha: -1}"], 3, "alpha: given -1"),
    ],
)
def test_what_cannot_be_shown(
    toy: str, words: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["partition", toy, *words]) == code
    error = capsys.readouterr().err
    assert says in error
    assert len(error.splitlines()) == 1


def test_hundreds_of_nodes_and_classes_are_drawn_in_a_small_file(tmp_path: Path) -> None:
    held = [Holding(f"node-{n}", [n % 7] * 100, 10 * n) for n in range(500)]
    picture.save(tmp_path / "many.svg", held, [f"class-{c}" for c in range(100)], "many")
    assert (tmp_path / "many.svg").stat().st_size < 15_000_000
    assert picture.height(held) == 2070
