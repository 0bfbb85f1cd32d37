"""Data sets that are made of the user's folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedbed.data import store
from fedbed.data.cards import GroupRule, card_names, load_card
from fedbed.data.dataset import load
from fedbed.data.own import Unfit, Wish, add
from fedbed.errors import DataError, ExperimentError, UsageError
from tests.fedbed.data import painting

WISH = Wish("roofs", ("ground", "cloud", "shadow"), groups=GroupRule(pattern="([^_]+)_"))


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path / "data"))
    painting.paint(tmp_path / "photos", [f"{site}_{i}" for site in "abcde" for i in range(2)])
    return tmp_path / "photos"


def test_a_folder_becomes_a_data_set(photos: Path, tmp_path: Path) -> None:
    target = add(photos, WISH)
    assert target == tmp_path / "data" / "roofs"
    assert sorted(path.name for path in target.iterdir()) == ["card.yaml", "test.npz", "train.npz"]
    assert [path.name for path in target.parent.iterdir()] == ["roofs"]
    assert card_names()[-1] == "roofs"
    card = load_card("roofs")
    assert (card.kind, card.targets, card.grouped) == ("npz", "masks", True)
    assert {one.state for one in store.status(card)} == {store.PRESENT}
    data = load("roofs", image_size=8)
    assert (data.train.x.shape, data.test.x.shape) == ((8, 8, 8, 3), (2, 8, 8, 3))
    assert data.train.groups is not None
    assert data.test.groups is not None
    assert not set(data.train.groups.tolist()) & set(data.test.groups.tolist())
    whole = load("roofs")
    row = int(whole.train.groups[0]) * 2 if whole.train.groups is not None else 0
    first = sorted(photos.glob("images/*"))[row]
    assert np.array_equal(whole.train.x[0], painting.pixels_of(first))


def test_the_same_folder_and_seed_make_the_same_arrays(photos: Path) -> None:
    add(photos, WISH)
    add(photos, Wish("again", WISH.classes, groups=WISH.groups))
    add(photos, Wish("other", WISH.classes, groups=WISH.groups, seed=3))
    one, again, other = load("roofs"), load("again"), load("other")
    assert np.array_equal(one.test.x, again.test.x)
    assert not np.array_equal(one.test.x, other.test.x)


def test_its_files_are_verified_and_nobody_is_sent_to_a_download(photos: Path) -> None:
    path = add(photos, WISH) / "train.npz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"train.npz: corrupt .*data/roofs/card.yaml says what"):
        load("roofs")
    with pytest.raises(DataError, match="roofs can't be downloaded"):
        store.fetch(load_card("roofs"))


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (Wish("mnist", ("a", "b")), "--name mnist: fedbed has a data set of that name"),
        (Wish("auto", ("a", "b")), "--name auto: fedbed has"),
        (Wish("../x", ("a", "b")), "--name '../x' can't be a folder's name"),
        (Wish("x", ("a",)), "--classes: give 2 to 255 names"),
        (Wish("x", ("a", "")), "--classes: give 2 to 255 names"),
        (Wish("x", ("a", "b", "a")), "--classes names 'a' twice"),
        (Wish("x", ("a", "b"), absent=("c",)), "--absent 'c' is none of the classes"),
    ],
)
def test_names_and_classes_that_will_not_do(photos: Path, wish: Wish, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        add(photos, wish)


def test_a_name_is_used_once(photos: Path) -> None:
    add(photos, WISH)
    with pytest.raises(UsageError, match="roofs is there already: take another name, or remove"):
        add(photos, WISH)


def test_a_class_that_nobody_could_learn(photos: Path) -> None:
    four = (*WISH.classes, "snow")
    with pytest.raises(Unfit, match=r"class 'snow' .value 3. is in none of the 8 training masks"):
        add(photos, Wish("roofs", four))
    assert "roofs" not in card_names()
    add(photos, Wish("roofs", four, absent=("snow",)))
    assert load_card("roofs").absent == ("snow",)


def test_nothing_is_made_of_a_folder_with_problems(photos: Path, tmp_path: Path) -> None:
    (photos / "masks" / "a_0.png").unlink()
    (photos / "images" / "b_1.png").unlink()
    with pytest.raises(Unfit, match=r"photos has 2 problems, nothing was added$") as caught:
        add(photos, WISH)
    assert len(caught.value.problems) == 2
    assert not (tmp_path / "data").exists()


def test_where_nothing_can_be_written(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain").write_text("")
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path / "plain"))
    with pytest.raises(
        DataError, match=r"can't write to .*plain .Not a directory.: set FEDBED_DATA"
    ):
        add(photos, WISH)


def test_ours_come_before_the_user_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path))
    for name in ("mnist", "zoo", ".hidden", "bad name"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.yaml").write_text(f"name: {name}\n")
    assert card_names()[-2:] == ["synthetic-digits", "zoo"]
    assert load_card("mnist").where == "datasets/mnist.yaml"
    with pytest.raises(ExperimentError, match=r"zoo/card.yaml: the key 'kind' is missing"):
        load_card("zoo")
    (tmp_path / "zoo" / "card.yaml").write_bytes(b"\xff")
    with pytest.raises(ExperimentError, match=r"zoo/card.yaml: can't be read as text"):
        load_card("zoo")
