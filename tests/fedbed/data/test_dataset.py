from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np
import pytest

import fedbed.data
from fedbed.data import dataset, store
from fedbed.data.cards import Card, CardFile, load_card
from fedbed.data.dataset import Split, load, verify
from fedbed.errors import DataError, ExperimentError
from tests.fedbed.data.idx_writer import counting, idx_bytes
from tests.parts import need


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One cache for all tests of this file, and none of the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def toy(folder: Path, arrays: Dict[str, Any]) -> Card:
    """Put IDX files into `folder` and return the card that fits them."""
    folder.mkdir(parents=True)
    files = []
    for role, values in arrays.items():
        data = gzip.compress(idx_bytes(values))
        (folder / f"{role}.gz").write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        files.append(CardFile(f"{role}.gz", role, len(data), digest, ("http://localhost/x",)))
    shapes: Dict[str, Tuple[int, ...]] = {"train": (6, 28, 28), "test": (4, 28, 28)}
    return replace(load_card("mnist"), name="toy", files=tuple(files), shapes=shapes)


def arrays() -> Dict[str, Any]:
    return {
        "train_images": counting(6, 28, 28),
        "train_labels": np.arange(6, dtype=np.uint8),
        "test_images": counting(4, 28, 28),
        "test_labels": np.arange(4, dtype=np.uint8),
    }


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Function that makes `load("toy")` read these arrays; returns the card."""

    def make(values: Dict[str, Any]) -> Card:
        monkeypatch.setenv("FEDBED_DATA", str(tmp_path))
        card = toy(tmp_path / "toy", values)
        monkeypatch.setattr(dataset, "load_card", lambda name: card)
        return card

    return make


def test_a_split_takes_masks_and_groups_along() -> None:
    masks = np.zeros((3, 2, 2), np.uint8)
    masks[1] = [[2, 2], [2, 1]]
    split = Split(np.zeros((3, 2, 2, 3), np.uint8), masks, np.array([7, 8, 9]))
    taken = split.take([2, 1])
    assert taken.groups is not None
    assert taken.groups.tolist() == [9, 8]
    assert np.array_equal(taken.y, masks[[2, 1]])
    assert taken.labels.tolist() == [0, 2]


def test_split_takes_in_the_order_asked() -> None:
    split = Split(counting(5, 28, 28), np.arange(5))
    taken = split.take(np.array([3, 0, 3], np.uint32))
    assert len(taken) == 3
    assert taken.y.tolist() == [3, 0, 3]
    assert np.array_equal(taken.x, split.x[[3, 0, 3]])
    taken.x[:] = 0
    assert split.x.any(), "a copy"
    assert len(split.take([])) == 0
    assert split.take([]).x.shape == (0, 28, 28)


def test_idx_files_become_a_data_set(use: Any) -> None:
    values = arrays()
    use(values)
    got = load("toy", train_samples=5)
    assert np.array_equal(got.train.x, values["train_images"][:5])
    assert got.train.y.tolist() == [0, 1, 2, 3, 4]
    assert np.array_equal(got.test.x, values["test_images"])
    assert got.train.x.dtype == np.uint8
    assert got.train.y.dtype == np.int64


@pytest.mark.parametrize(
    ("role", "values", "says"),
    [
        ("train_labels", np.zeros(5, np.uint8), "6 train images, but 5 labels"),
        ("test_labels", np.zeros(5, np.uint8), "4 test images, but 5 labels"),
        ("train_images", counting(6, 14, 56), "train images have shape"),
        ("train_labels", np.zeros((6, 1), np.uint8), "train images have shape"),
        ("test_labels", np.array([1, 2, 3, 10], np.uint8), "label 10 in test, .* 10 classes"),
        ("train_labels", np.zeros(6, np.int32), "train_labels.gz holds int32, the card says uint8"),
    ],
)
def test_files_that_do_not_fit_each_other(use: Any, role: str, values: Any, says: str) -> None:
    use({**arrays(), role: values})
    with pytest.raises(DataError, match=says):
        load("toy")


def test_each_load_finds_corruption(use: Any, tmp_path: Path) -> None:
    card = use(arrays())
    load("toy")
    assert [one.state for one in verify(card)] == ["present"] * 4
    path = tmp_path / "toy" / "test_images.gz"
    data = bytearray(path.read_bytes())
    data[4] ^= 1  # the gzip header's time: unpacks just as well, so only the hash can tell
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"test_images.gz: corrupt .* run: fedbed data fetch toy"):
        load("toy")
    assert [one.state for one in verify(card)].count("corrupt") == 1


def test_missing_data_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"missing.*run: fedbed data fetch mnist$"):
        load("mnist")


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"train_samples": 12_001}, "12001 train samples asked, allowed are 1 to 12000"),
        ({"test_samples": 2_001}, "2001 test samples asked, allowed are 1 to 2000"),
        ({"train_samples": 0}, "0 train samples asked"),
        ({"test_samples": -1}, "-1 test samples asked"),
    ],
)
def test_limits_beyond_what_exists(limits: Dict[str, int], says: str) -> None:
    with pytest.raises(ExperimentError, match=says):
        load("synthetic-digits", **limits)


def test_unknown_data_set() -> None:
    with pytest.raises(ExperimentError, match="did you mean 'mnist'"):
        load("mnits")


def test_synthetic_digits_load_and_limit() -> None:
    whole = load("synthetic-digits")
    assert (len(whole.train), len(whole.test)) == (12_000, 2_000)
    assert whole.classes == tuple("0123456789")
    some = load("synthetic-digits", train_samples=100, test_samples=20)
    assert np.array_equal(some.train.x, whole.train.x[:100])
    assert np.array_equal(some.test.y, whole.test.y[:20])


def test_verify_compares_generated_arrays_with_the_card() -> None:
    card = load_card("synthetic-digits")
    assert [one.state for one in verify(card)] == [store.PRESENT]
    assert card.generator is not None
    lying = replace(card, generator=replace(card.generator, sha256="0" * 64))
    (one,) = verify(lying)
    assert one.state == store.CORRUPT
    assert card.generator.sha256 in one.problem
    other = replace(card, generator=replace(card.generator, name="letters"))
    with pytest.raises(ExperimentError, match="no generator is called 'letters'"):
        verify(other)


def test_real_mnist() -> None:
    card = load_card("mnist")
    need(
        all(one.state == store.PRESENT for one in store.status(card)),
        "MNIST is not in the data folder (fedbed data fetch mnist, or set FEDBED_DATA)",
    )
    mnist = load("mnist")
    assert mnist.train.x.shape == (60_000, 28, 28)
    assert mnist.test.x.shape == (10_000, 28, 28)
    # Published facts: http://yann.lecun.com/exdb/mnist/ (first labels) and the class counts.
    assert mnist.train.y[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.test.y[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(mnist.train.y).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert round(float(mnist.train.x.mean()) / 255, 4) == 0.1307


def test_exports_are_all_there() -> None:
    for name in fedbed.data.__all__:
        assert hasattr(fedbed.data, name)
    assert sorted(fedbed.data.__all__) == sorted(set(fedbed.data.__all__))
