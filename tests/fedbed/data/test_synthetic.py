from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedbed.data import generated, synthetic
from fedbed.data.cards import load_card
from fedbed.data.strokes import JITTER_POINTS, TEMPLATES
from fedbed.data.synthetic import Arrays, generate, recipe
from fedbed.errors import ExperimentError


@pytest.fixture(scope="module")
def default() -> Arrays:
    return generate()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "fedbed" / "synthetic"


def load(seed: int, train: int, test: int) -> Arrays:
    return Arrays(**generated.load(recipe(seed, train, test)))


def arrays_sha256(arrays: Arrays) -> str:
    return generated.arrays_sha256(arrays._asdict())


def cache_path(seed: int, train: int, test: int) -> Path | None:
    return generated.cache_path(recipe(seed, train, test))


def same(left: Arrays, right: Arrays) -> bool:
    return all(np.array_equal(getattr(left, n), getattr(right, n)) for n in Arrays._fields)


def test_card_states_the_default_arrays(default: Arrays) -> None:
    card = load_card("synthetic-digits")
    made = card.generator
    assert made is not None
    assert (made.seed, made.train, made.test) == (
        synthetic.DEFAULT_SEED,
        synthetic.DEFAULT_TRAIN,
        synthetic.DEFAULT_TEST,
    )
    assert default.x_train.shape == card.shapes["train"]
    assert default.x_test.shape == card.shapes["test"]
    assert arrays_sha256(default) == made.sha256, (
        "the pixels changed: raise synthetic.VERSION and put the new hash into the card"
    )


def test_dtypes_and_range(default: Arrays) -> None:
    assert default.x_train.dtype == default.x_test.dtype == np.uint8
    assert default.y_train.dtype == default.y_test.dtype == np.int64
    assert default.x_train.min() == 0
    assert default.x_train.max() >= 250
    ink = (default.x_train > 100).mean(axis=(1, 2))
    assert ink.min() > 0.01, "an image is all but blank"
    assert ink.max() < 0.5, "an image is all but full"


def test_classes_are_balanced(default: Arrays) -> None:
    assert np.bincount(default.y_train, minlength=10).min() > 1_000
    assert np.bincount(default.y_test, minlength=10).min() > 150


def test_no_image_occurs_twice(default: Arrays) -> None:
    everything = np.concatenate([default.x_train, default.x_test]).reshape(-1, 784)
    assert len({row.tobytes() for row in everything}) == len(everything)


def test_learnable_but_not_trivial(default: Arrays) -> None:
    # Nearest class mean, a weak learner: well above chance (0.1), and far from done.
    train = default.x_train.reshape(-1, 784).astype(np.float32) / 255
    test = default.x_test.reshape(-1, 784).astype(np.float32) / 255
    means = np.stack([train[default.y_train == digit].mean(0) for digit in range(10)])
    distances = (means**2).sum(1)[None] - 2 * test @ means.T
    accuracy = (distances.argmin(1) == default.y_test).mean()
    assert 0.55 < accuracy < 0.9


def test_same_seed_same_bytes_other_seed_other_bytes() -> None:
    assert same(generate(7, 60, 30), generate(7, 60, 30))
    assert not np.array_equal(generate(7, 60, 30).x_train, generate(8, 60, 30).x_train)


def test_first_samples_do_not_depend_on_the_counts() -> None:
    few, many = generate(7, 40, 10), generate(7, 200, 90)
    assert np.array_equal(few.x_train, many.x_train[:40])
    assert np.array_equal(few.y_train, many.y_train[:40])
    assert np.array_equal(few.x_test, many.x_test[:10])
    assert not np.array_equal(many.x_train[:90], many.x_test), "splits share no stream"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((-1, 1, 1), "seed -1"),
        ((2**32, 1, 1), "seed 4294967296"),
        ((0, -1, 1), "-1 train samples"),
        ((0, 1, 1_000_001), "1000001 test samples"),
    ],
)
def test_impossible_parameters(args: tuple[int, int, int], says: str) -> None:
    with pytest.raises(ExperimentError, match=says):
        generate(*args)


def test_hash_covers_every_array() -> None:
    arrays = generate(7, 5, 5)
    hashes = {arrays_sha256(arrays)}
    for name in Arrays._fields:
        changed = getattr(arrays, name).copy()
        changed.flat[0] += 1
        hashes.add(arrays_sha256(arrays._replace(**{name: changed})))
    assert len(hashes) == 5


def test_cache_is_written_and_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(7, 30, 10)
    path = cache_path(7, 30, 10)
    assert path is not None
    assert list(cache.iterdir()) == [path]  # no .part left

    def never(*args: object) -> Arrays:
        raise AssertionError("drawn again in spite of the cache")

    monkeypatch.setattr(synthetic, "generate", never)
    assert same(load(7, 30, 10), first)


def test_cache_key_has_every_parameter_and_the_version(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {cache_path(*args) for args in [(1, 2, 3), (9, 2, 3), (1, 9, 3), (1, 2, 9)]}
    monkeypatch.setattr(synthetic, "VERSION", synthetic.VERSION + 1)
    keys.add(cache_path(1, 2, 3))
    assert len(keys) == 5


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "one pixel", "other size"])
def test_damaged_cache_is_drawn_anew(cache: Path, damage: str) -> None:
    good = load(7, 30, 10)
    path = cache_path(7, 30, 10)
    assert path is not None
    if damage == "one pixel":
        pixels = good.x_train.copy()
        pixels[0, 0, 0] ^= 1
        arrays = good._replace(x_train=pixels)._asdict()
        np.savez(path, sha256=np.array(arrays_sha256(good)), **arrays)
    elif damage == "other size":
        small = generate(7, 20, 10)
        np.savez(path, sha256=np.array(arrays_sha256(small)), **small._asdict())
    else:
        data = path.read_bytes()
        path.write_bytes({"truncated": data[:5000], "empty": b"", "text": b"hello"}[damage])
    assert same(load(7, 30, 10), good)
    with np.load(path) as stored:  # and the cache is whole again
        assert np.array_equal(stored["x_train"], good.x_train)


def test_no_cache_where_none_can_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "plain"))
    assert same(load(7, 5, 5), generate(7, 5, 5))

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert cache_path(7, 5, 5) is None
    assert same(load(7, 5, 5), generate(7, 5, 5))


def test_templates_stay_within_the_square_and_their_jitter() -> None:
    assert len(TEMPLATES) == 10
    for ways in TEMPLATES:
        for template in ways:
            assert 0 <= template.points.min() < template.points.max() <= 1
            assert len(template.points) <= JITTER_POINTS
            assert {i for pair in template.segments for i in pair} == set(
                range(len(template.points))
            )
