from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedbed.cli import montage
from fedbed.cli.main import main
from fedbed.data import Split
from tests.fedbed.data import painting


def test_a_montage_of_masks_has_every_class_in_its_legend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path))
    painting.toy(tmp_path / "toy")
    out = tmp_path / "toy.png"
    assert main(["data", "draw", "toy", "-o", str(out), "--samples", "5"]) == 0
    assert capsys.readouterr().out == f"{out}: 5 of 6 train samples of toy\n"
    with Image.open(out) as picture:
        assert picture.format == "PNG"
        seen = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24) or []}
    for colour in montage.colours(3):
        assert tuple(int(v) for v in colour) in seen
    again = tmp_path / "again.png"
    main(["data", "draw", "toy", "-o", str(again), "--samples", "5"])
    assert again.read_bytes() == out.read_bytes()


def test_digits_are_drawn_with_their_labels(tmp_path: Path) -> None:
    split = Split(np.zeros((4, 28, 28), np.uint8), np.array([3, 1, 3, 0]))
    figure = montage.draw(split, tuple("0123"), "digits", [3, 1, 0])
    shown = [axes.get_title(loc="left") for axes in figure.axes]
    assert shown == ["0", "1", "3"]
    montage.save(figure, tmp_path / "digits.png")
    assert (tmp_path / "digits.png").stat().st_size > 1000


def test_samples_of_every_class_are_chosen() -> None:
    labels = Split(np.zeros((100, 2, 2), np.uint8), np.array([0] * 97 + [1, 2, 3]))
    chosen = montage.choose(labels, 6, seed=1)
    assert {int(labels.y[i]) for i in chosen} == {0, 1, 2, 3}
    assert len(set(chosen)) == 6
    masks = np.zeros((50, 10, 10), np.uint8)
    masks[7, :2] = 2
    masks[9, :, :5] = 1
    found = montage.choose(Split(np.zeros((50, 10, 10, 3), np.uint8), masks), 3, seed=1)
    assert {7, 9} < set(found)
    assert montage.choose(labels.take([0, 1]), 9, seed=1) == [0, 1]


def test_many_classes_have_many_colours() -> None:
    found = {tuple(int(v) for v in colour) for colour in montage.colours(25)}
    assert len(found) == 25


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (["nothing", "-o", "x.png"], 3, "unknown data set 'nothing'"),
        (["synthetic-clouds", "-o", "x.jpg"], 2, "the picture is a PNG file"),
        (["synthetic-clouds", "-o", "x.png", "--samples", "401"], 2, "allowed: 1 to 400"),
        (["synthetic-clouds", "-o", "/nowhere/x.png"], 2, "can't write '/nowhere/x.png'"),
        (["synthetic-clouds"], 2, "-o/--output"),
    ],
)
def test_what_cannot_be_drawn(
    flags: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "draw", *flags]) == code
    assert says in capsys.readouterr().err
