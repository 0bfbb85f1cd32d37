"""Folders of the user's: what is found in them, and every way in which they won't do."""

from __future__ import annotations

from pathlib import Path
from typing import List

import numpy as np
import pytest

from fedbed.data import folder as folders
from fedbed.data.cards import GroupRule
from fedbed.errors import UsageError
from tests.fedbed.data import painting
from tests.fedbed.data.painting import encoded

CLASSES = ("ground", "cloud", "shadow")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    painting.paint(tmp_path / "photos", ["a_0", "a_1", "b_0"])
    return tmp_path / "photos"


def problems(folder: Path) -> List[str]:
    found = folders.scan(folder)
    folders.read(folder, found.train + (found.test or []), CLASSES, found.problems)
    return found.problems


def test_pairs_are_found_and_read(photos: Path) -> None:
    (photos / "images" / ".DS_Store").write_bytes(b"")
    (photos / "images" / "a_0.png").rename(photos / "images" / "a_0.PNG")
    found = folders.scan(photos, GroupRule(pattern="([^_]+)_"))
    assert found.train[0] == ("images/a_0.PNG", "masks/a_0.png")
    assert (found.test, found.problems) == (None, [])
    assert found.group_of == {"a_0.PNG": "a", "a_1.png": "a", "b_0.png": "b"}
    calls: List[int] = []
    split = folders.read(photos, found.train, CLASSES, found.problems, lambda: calls.append(1))
    assert (split.x.shape, split.y.shape, len(calls)) == ((3, 16, 16, 3), (3, 16, 16), 3)
    assert found.problems == []


def test_train_and_test_where_the_folder_has_them(tmp_path: Path) -> None:
    painting.paint(tmp_path / "train", ["a"])
    with pytest.raises(UsageError, match="has train/ but no test/: make it, or put"):
        folders.scan(tmp_path)
    painting.paint(tmp_path / "test", ["b"])
    found = folders.scan(tmp_path)
    assert found.train == [("train/images/a.png", "train/masks/a.png")]
    assert found.test == [("test/images/b.png", "test/masks/b.png")]


def test_a_folder_without_masks(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(UsageError, match="has no folder masks/: images lie in images/"):
        folders.scan(tmp_path)


def test_every_problem_is_a_line_that_names_the_file(photos: Path) -> None:
    images, masks = photos / "images", photos / "masks"
    square = np.zeros((16, 16))
    foreign = square.copy()
    foreign[2, 5], foreign[3, 1] = 3, 255
    for name, image, mask in (
        ("c", encoded(np.zeros((16, 16, 3))), encoded(foreign)),
        ("d", encoded(np.zeros((16, 16, 3))), encoded(np.zeros((8, 16)))),
        ("e", encoded(np.zeros((8, 8, 3))), encoded(np.zeros((8, 8)))),
        ("f", b"no picture", encoded(square)),
        ("g", encoded(np.zeros((16, 16, 3))), encoded(np.zeros((16, 16, 3)))),
    ):
        (images / f"{name}.png").write_bytes(image)
        (masks / f"{name}.png").write_bytes(mask)
    (images / "h.png").write_bytes(encoded(square))
    (masks / "i.png").write_bytes(encoded(square))
    (masks / "j.jpg").write_bytes(encoded(square, "JPEG"))
    (images / "notes").mkdir()
    lines = problems(photos)
    assert all("\n" not in line for line in lines)
    expected = [
        "images/notes: is no file of .png, .jpg, .jpeg, .tif, .tiff: take it out",
        "masks/j.jpg: is no file of .png, .tif, .tiff: take it out",
        "images/h.png: has no mask of that name in masks/",
        "masks/i.png: has no image of that name in images/",
        "masks/c.png: holds the value 3, 255 (the first at row 2, column 5), but the classes are "
        "0 to 2: name them all with --classes, or number the masks anew",
        "masks/d.png: has 8x16 pixels, its image images/d.png 16x16: both must be of one size",
        "images/e.png: has 8x8 pixels, but images/a_0.png has 16x16: cut all pictures to one size",
        "images/f.png: is no picture in PNG, JPEG, TIFF",
    ]
    assert lines[:-1] == expected
    assert lines[-1].startswith("masks/g.png: a mask has one channel of 8 bits")


def test_an_empty_folder_and_one_beyond_memory(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("images", "masks"):
        (tmp_path / "empty" / part).mkdir(parents=True)
    assert problems(tmp_path / "empty") == ["images: holds no pictures"]
    monkeypatch.setattr(folders, "MAX_BYTES", 2000)
    (line,) = problems(photos)
    assert line.startswith("3 pictures of 16x16 pixels take more than 0 GiB of memory")


def test_a_group_rule_that_will_not_do(photos: Path) -> None:
    (line,) = folders.scan(photos, GroupRule(index="list.csv", column="town")).problems
    assert line == "list.csv: can't be read (No such file or directory)"
    (line,) = folders.scan(photos, GroupRule(pattern="(x)")).problems
    assert "doesn't match the beginning of 'a_0.png'" in line


def test_whole_groups_are_held_out() -> None:
    names = [f"{group}_{i}" for group in "abcdefghij" for i in range(4)]
    group_of = {name: name[0] for name in names}
    test = folders.held_out(names, group_of, 0.2, seed=1)
    assert sum(test) == 8
    assert len({group_of[name] for name, held in zip(names, test) if held}) == 2
    assert test == folders.held_out(names, group_of, 0.2, seed=1)
    assert test != folders.held_out(names, group_of, 0.2, seed=2)
    assert sum(folders.held_out(names, {}, 0.2, seed=1)) == 8
    assert sum(folders.held_out(["a", "b"], {}, 0.9, seed=1)) == 1, "training keeps something"
    with pytest.raises(UsageError, match="there is only one group"):
        folders.held_out(["a", "b"], {"a": "x", "b": "x"}, 0.2, seed=1)
