"""Data sets of picture files: a toy, and the genuine SPARCS."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from fedbed import places
from fedbed.data import store
from fedbed.data.cards import card_names, load_card, parse_card
from fedbed.data.dataset import load, load_split
from fedbed.data.pictures import paired
from fedbed.errors import DataError, ExperimentError
from tests.fedbed.data import painting
from tests.parts import need


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of the user's own, called `toy`."""
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path))
    painting.toy(tmp_path / "toy")
    return tmp_path / "toy"


def test_pairs_and_groups_come_in_the_order_of_their_names(toy: Path) -> None:
    assert card_names()[-1] == "toy"
    card = load_card("toy")
    assert (card.kind, card.targets, card.grouped, card.size) == ("pictures", "masks", True, 1)
    data = load("toy")
    assert data.classes == ("ground", "cloud", "shadow")
    assert data.train.x.shape == (6, 16, 16, 3)
    assert data.train.y.shape == (6, 16, 16)
    assert data.train.y.dtype == np.uint8
    assert data.train.groups is not None
    assert data.test.groups is not None
    assert data.train.groups.tolist() == [0, 0, 1, 1, 2, 2]
    assert data.test.groups.tolist() == [3, 3]
    few = load("toy", train_samples=3, image_size=8)
    assert few.train.x.shape == (3, 8, 8, 3)
    assert np.array_equal(few.train.y, data.train.y[:3, ::2, ::2])
    assert np.array_equal(load_split("toy", "test").x, data.test.x)


def test_what_the_manifest_lists_beside_may_be_missing(toy: Path) -> None:
    (toy / "notes.txt").write_text("of no use to us")
    painting.seal(toy)
    (toy / "notes.txt").unlink()
    assert {one.state for one in store.status(load_card("toy"))} == {store.PRESENT}


def test_a_changed_picture_is_found_and_a_missing_one_named(toy: Path) -> None:
    path = toy / "train" / "masks" / "a_1.png"
    good = path.read_bytes()
    path.write_bytes(good + b"?")
    with pytest.raises(DataError, match=r"train/masks/a_1.png: corrupt .* by hand"):
        load("toy")
    path.unlink()
    card = load_card("toy")
    bad = [one for one in store.status(card) if one.state != store.PRESENT]
    assert [(one.name, one.state) for one in bad] == [("train/masks/a_1.png", store.MISSING)]
    with pytest.raises(DataError, match=r"toy lacks train/masks/a_1.png; if you have it, set"):
        store.check(card)
    with pytest.raises(DataError, match=r"put by hand into .*: train/masks/a_1.png; .*card.yaml"):
        store.fetch(card)
    path.write_bytes(good)
    assert store.fetch(card) == []


def test_hundreds_of_missing_files_stay_one_short_line(toy: Path) -> None:
    for path in toy.rglob("*.png"):
        path.unlink()
    with pytest.raises(
        DataError, match=r"test/images/d_1.png, .* and 12 more; if you have"
    ) as caught:
        store.check(load_card("toy"))
    assert len(str(caught.value)) < 600


def test_without_its_manifest_nothing_is_believed(toy: Path) -> None:
    (toy / "SHA256SUMS").write_text("0" * 64 + "  train/images/a_0.png\n")
    card = load_card("toy")
    (one,) = store.status(card)
    assert (one.name, one.state) == ("SHA256SUMS", store.CORRUPT)
    with pytest.raises(DataError, match="SHA256SUMS: corrupt"):
        load("toy")
    (toy / "SHA256SUMS").unlink()
    with pytest.raises(DataError, match="SHA256SUMS, with all that it lists; "):
        store.fetch(card)


@pytest.mark.parametrize("line", ["nonsense", "0" * 64 + "  ../up", "0" * 64 + "  /etc/passwd"])
def test_a_manifest_names_files_of_its_folder_only(toy: Path, line: str) -> None:
    with (toy / "SHA256SUMS").open("a") as file:
        file.write(line + "\n")
    digest = hashlib.sha256((toy / "SHA256SUMS").read_bytes()).hexdigest()
    (toy / "card.yaml").write_text(painting.CARD.format(sha256=digest))
    with pytest.raises(DataError, match=r"SHA256SUMS, line 18: .* is no checksum"):
        load("toy")


def test_files_that_do_not_fit_the_card(toy: Path) -> None:
    (toy / "train" / "images" / "e_0.png").write_bytes(painting.encoded(np.zeros((16, 16, 3))))
    painting.seal(toy)
    with pytest.raises(DataError, match=r"toy: train/images/e_0.png: has no mask of that name"):
        load("toy")
    (toy / "train" / "masks" / "e_0.png").write_bytes(painting.encoded(np.zeros((16, 16))))
    painting.seal(toy)
    with pytest.raises(DataError, match="7 train pictures are listed, the card says 6"):
        load("toy")
    for part in ("images", "masks"):
        (toy / "train" / part / "e_0.png").unlink()
    (toy / "train" / "masks" / "c_1.png").write_bytes(painting.encoded(np.full((16, 16), 3)))
    painting.seal(toy)
    with pytest.raises(DataError, match="mask value 3 in train, but there are only 3 classes"):
        load("toy")
    (toy / "train" / "masks" / "c_1.png").write_bytes(painting.encoded(np.zeros((16, 8))))
    painting.seal(toy)
    with pytest.raises(DataError, match=r"masks/c_1.png is of shape \[16, 8\], the card says \[16"):
        load("toy")


def test_pairs_are_by_name_whatever_the_suffix() -> None:
    pairs, problems = paired(["i/b.jpg", "i/a.tif"], ["m/a.png", "m/b.png"])
    assert (pairs, problems) == ([("i/a.tif", "m/a.png"), ("i/b.jpg", "m/b.png")], [])
    _, problems = paired(["i/a.jpg", "i/a.png", "i/x.png"], ["m/a.png", "m/y.png"])
    assert problems == [
        "i/a.png: i/a.jpg has the same name: which one is it?",
        "i/x.png: has no mask of that name in masks/",
        "m/y.png: has no image of that name in images/",
    ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("manifest: SHA256SUMS", "manifest: ../x", "manifest '../x' can't be a file's name"),
        ("{index: index.csv, column: scene}", "{index: index.csv}", "groups: the key 'column' is"),
        ("{index: index.csv, column: scene}", "{pattern: x, column: y}", "unknown key 'column'"),
        ("  bytes: 1\n", "", "pictures: the key 'bytes' is missing"),
        ("kind: pictures", "kind: pictures\ntargets: labels", "unknown key 'targets'"),
        ("dtype: uint8", "dtype: uint8\nabsent: [snow]", "absent names 'snow', which is none of"),
    ],
)
def test_malformed_cards(old: str, new: str, says: str) -> None:
    text = painting.CARD.format(sha256="ab" * 32)
    assert old in text
    assert parse_card(text, "x").grouped
    with pytest.raises(ExperimentError, match=says):
        parse_card(text.replace(old, new, 1), "x")


def test_targets_are_labels_or_masks() -> None:
    card = load_card("synthetic-clouds")
    assert (card.targets, load_card("mnist").targets) == ("masks", "labels")
    with pytest.raises(ExperimentError, match="targets is 'boxes', expected 'labels' or 'masks'"):
        text = (Path(__file__).parents[3] / "datasets" / "synthetic-clouds.yaml").read_text()
        parse_card(text.replace("targets: masks", "targets: boxes"), "x")


def test_sparcs_as_its_card_has_it() -> None:
    card = load_card("sparcs_cloud")
    need(
        (places.data_dir() / "sparcs_cloud").is_dir(),
        "SPARCS is not in the data folder (fedbed data fetch sparcs_cloud says where to put it)",
    )
    assert {one.state for one in store.status(card)} == {store.PRESENT}
    listed = store.pictures(card)
    assert sum(len(store.read(card, file)) for file in listed) == card.size
    assert len(listed) == 641
    data = load("sparcs_cloud", image_size=128)
    assert data.train.groups is not None
    assert data.test.groups is not None
    assert len(np.unique(data.train.groups)) == 63
    assert len(np.unique(data.test.groups)) == 16
    assert not set(np.unique(data.train.groups)) & set(np.unique(data.test.groups))
    shares = np.bincount(data.train.y.ravel()) / data.train.y.size
    # Its README states these of the full size.
    assert np.allclose(shares, [0.5734, 0.2124, 0.0900, 0.1242], atol=0.001)
