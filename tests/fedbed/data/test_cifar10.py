"""The card of CIFAR-10, files that are put there by hand, and the real images."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedbed.data import dataset, store
from fedbed.data.cards import Card, CardFile, cards_dir, load_card, parse_card
from fedbed.data.dataset import load
from fedbed.errors import DataError, ExperimentError
from tests.parts import need

CIFAR = (cards_dir() / "cifar10.yaml").read_text(encoding="utf-8")


def test_the_card_says_what_the_files_are() -> None:
    card = load_card("cifar10")
    assert (card.kind, card.dtype, card.generator) == ("npz", "uint8", None)
    assert card.shapes == {"train": (20000, 32, 32, 3), "test": (4000, 32, 32, 3)}
    assert card.size == 68_027_049
    assert card.file("train").name == "cifar10_train_20000.npz"
    assert [file.urls for file in card.files] == [(), ()]
    assert "Krizhevsky" in card.source
    assert "default_rng(1234)" in card.source


def test_npz_cards_have_roles_of_their_own() -> None:
    with pytest.raises(ExperimentError, match=r"each of these roles once: \['train', 'test'\]"):
        parse_card(CIFAR.replace("role: test", "role: test_images"), "x")
    with pytest.raises(
        ExperimentError, match="kind is 'npy', expected 'idx', 'npz', 'generated' or 'pictures'"
    ):
        parse_card(CIFAR.replace("kind: npz", "kind: npy"), "x")
    with pytest.raises(ExperimentError, match="urls is None, expected a list"):
        parse_card(CIFAR.replace("urls: []", "urls:"), "x")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Function that makes `load("toy")` read these arrays, by split; returns the card."""

    def make(**splits: dict[str, Any]) -> Card:
        monkeypatch.setenv("FEDBED_DATA", str(tmp_path))
        (tmp_path / "toy").mkdir()
        files = []
        for role, arrays in splits.items():
            out = io.BytesIO()
            np.savez_compressed(out, **arrays)
            data = out.getvalue()
            (tmp_path / "toy" / f"{role}.npz").write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            files.append(CardFile(f"{role}.npz", role, len(data), digest, ()))
        shapes: dict[str, tuple[int, ...]] = {"train": (6, 32, 32, 3), "test": (4, 32, 32, 3)}
        card = replace(load_card("cifar10"), name="toy", files=tuple(files), shapes=shapes)
        monkeypatch.setattr(dataset, "load_card", lambda name: card)
        return card

    return make


def split(count: int, **change: Any) -> dict[str, Any]:
    images = np.arange(count * 3072).reshape(count, 32, 32, 3).astype(np.uint8)
    return {"images": images, "labels": np.arange(count, dtype=np.int64), **change}


def test_npz_files_become_a_data_set(toy: Any) -> None:
    toy(train=split(6), test=split(4))
    got = load("toy", train_samples=5)
    assert np.array_equal(got.train.x, split(6)["images"][:5])
    assert got.train.y.tolist() == [0, 1, 2, 3, 4]
    assert got.test.x.shape == (4, 32, 32, 3)
    assert got.train.take([2, 2]).x.shape == (2, 32, 32, 3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"labels": np.array([0, 1, 2, 10])}, "label 10 in test, .* 10 classes"),
        ({"labels": np.array([0, 1, 2, -1])}, "label -1 in test"),
        ({"labels": np.zeros(3, np.int64)}, r"'labels' holds int64 \[3\], expected int64 \[4\]"),
        ({"images": np.zeros((4, 3, 32, 32), np.uint8)}, r"holds uint8 \[4, 3, 32, 32\]"),
    ],
)
def test_files_that_do_not_fit_the_card(toy: Any, change: dict[str, Any], says: str) -> None:
    toy(train=split(6), test=split(4, **change))
    with pytest.raises(DataError, match=says):
        load("toy")


def test_files_without_an_address_are_put_there_by_hand(toy: Any, tmp_path: Path) -> None:
    card = toy(train=split(6), test=split(4))
    assert store.fetch(card) == []
    (tmp_path / "toy" / "test.npz").unlink()
    with pytest.raises(DataError) as caught:
        store.fetch(card)
    message = str(caught.value)
    file = card.file("test")
    assert f"put by hand into {tmp_path / 'toy'}: test.npz ({file.size} bytes, sha256 " in message
    assert file.sha256 in message
    assert "train.npz" not in message
    assert "\n" not in message
    with pytest.raises(DataError, match=r"lacks test.npz; .*FEDBED_DATA.* put the files .* hand"):
        load("toy")


def test_the_real_images() -> None:
    card = load_card("cifar10")
    need(
        all(one.state == store.PRESENT for one in store.status(card)),
        "CIFAR-10 is not in the data folder (set FEDBED_DATA)",
    )
    got = load("cifar10")
    assert got.train.x.shape == (20_000, 32, 32, 3)
    assert got.test.x.shape == (4_000, 32, 32, 3)
    assert got.train.x.dtype == np.uint8
    assert got.train.y.dtype == np.int64
    assert np.bincount(got.train.y).tolist() == [2000] * 10
    assert np.bincount(got.test.y).tolist() == [400] * 10
    assert got.classes[0] == "airplane"
    # Known means of the whole training set: .4914 .4822 .4465.
    means = got.train.x.mean(axis=(0, 1, 2)) / 255
    assert np.allclose(means, (0.4914, 0.4822, 0.4465), atol=0.002)
