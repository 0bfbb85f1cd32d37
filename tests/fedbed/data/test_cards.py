from __future__ import annotations

from pathlib import Path

import pytest

from fedbed.data import cards
from fedbed.data.cards import card_names, cards_dir, load_card, parse_card, shipped_names
from fedbed.errors import ExperimentError

SYNTHETIC = (cards_dir() / "synthetic-digits.yaml").read_text(encoding="utf-8")
MNIST = (cards_dir() / "mnist.yaml").read_text(encoding="utf-8")


def test_mnist_card_states_the_published_files() -> None:
    card = load_card("mnist")
    assert (card.kind, card.dtype, card.generator) == ("idx", "uint8", None)
    assert card.shapes == {"train": (60000, 28, 28), "test": (10000, 28, 28)}
    assert card.classes == tuple("0123456789")
    assert card.size == 11_594_722
    assert card.file("train_labels").size == 28_881
    for file in card.files:
        hosts = [url.split("/")[2] for url in file.urls]
        assert len(set(hosts)) == 2, "two mirrors that don't share a host"
        assert all(url.endswith("/" + file.name) for url in file.urls)


def test_a_role_that_the_card_lacks_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="train_images"):
        load_card("synthetic-digits").file("train_images")


def test_every_card_in_the_folder_loads() -> None:
    names = ["cifar10", "mnist", "sparcs_cloud", "synthetic-clouds", "synthetic-digits"]
    assert shipped_names() == names
    assert card_names()[: len(names)] == names
    for name in names:
        assert load_card(name).name == name


@pytest.mark.parametrize(
    ("name", "says"),
    [("minst", "did you mean 'mnist'"), ("synthetic-digit", "did you mean 'synthetic-digits'")],
)
def test_unknown_name_offers_the_near_one(name: str, says: str) -> None:
    with pytest.raises(ExperimentError, match=says) as caught:
        load_card(name)
    assert "known: cifar10, mnist, sparcs_cloud, synthetic-clouds" in str(caught.value)


def test_name_is_no_path() -> None:
    with pytest.raises(ExperimentError, match="unknown data set"):
        load_card("../datasets/mnist")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("title:", "titel: x\ntitle:", "unknown key 'titel'; did you mean 'title'"),
        ("title: Synthetic digits, drawn by fedbed itself (no download)", "", "'title' is missing"),
        ("  seed: 2024", "  sed: 1\n  seed: 2024", "generator: unknown key 'sed'"),
        ("seed: 2024", "seed: yes", "seed is True, expected a whole number"),
        ("seed: 2024", "seed: -1", "seed is -1, expected a whole number"),
        ("kind: generated", "kind: magic", "kind is 'magic'"),
        ("name: synthetic-digits", "name: ../up", "can't be a file's name"),
        ("sha256: 9", "sha256: Z", "not 64 lower-case hex digits"),
        ("dtype: uint8", "dtype: [", "not valid YAML"),
        ('classes: ["0"', "classes: [0", "classes .each entry. is 0"),
        ("  test: [2000, 28, 28]", "  test: []", "shapes: test is empty"),
    ],
)
def test_malformed_card_is_one_clear_line(old: str, new: str, says: str) -> None:
    assert old in SYNTHETIC
    with pytest.raises(ExperimentError, match=says) as caught:
        parse_card(SYNTHETIC.replace(old, new, 1), "datasets/x.yaml")
    assert str(caught.value).startswith("datasets/x.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("https://ossci", "file://ossci", "entry 1: urls must begin with"),
        ("role: test_labels", "role: test_images", "each of these roles once"),
        ("    bytes: 28881\n", "", "entry 2: the key 'bytes' is missing"),
        ("    role: train_images", "    size: 1\n    role: train_images", "unknown key 'size'"),
    ],
)
def test_malformed_file_list(old: str, new: str, says: str) -> None:
    assert old in MNIST
    with pytest.raises(ExperimentError, match=says):
        parse_card(MNIST.replace(old, new, 1), "datasets/x.yaml")


def test_not_a_mapping() -> None:
    with pytest.raises(ExperimentError, match="expected a mapping"):
        parse_card("- a\n- b\n", "x")


def _installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    package = tmp_path / "site-packages" / "fedbed" / "data"
    (package / "cards").mkdir(parents=True)
    monkeypatch.setattr(cards, "__file__", str(package / "cards.py"))
    return package / "cards"


def test_installed_wheel_has_its_cards_inside(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inside = _installed(monkeypatch, tmp_path)
    (inside / "mnist.yaml").write_text(MNIST, encoding="utf-8")
    # The top folder of an unrelated package of that name must not be taken for ours.
    (tmp_path / "site-packages" / "datasets").mkdir()
    assert cards_dir() == inside
    assert load_card("mnist").size == 11_594_722


def test_card_must_bear_its_files_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (_installed(monkeypatch, tmp_path) / "other.yaml").write_text(MNIST, encoding="utf-8")
    with pytest.raises(ExperimentError, match="name is 'mnist', expected 'other'"):
        load_card("other")
