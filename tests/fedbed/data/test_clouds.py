from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedbed.data import clouds, generated
from fedbed.data.cards import load_card
from fedbed.data.clouds import CLASSES, CLEAR, SHADOW, THICK, THIN, Arrays, generate, recipe
from fedbed.data.dataset import load
from fedbed.errors import ExperimentError


@pytest.fixture(scope="module")
def default() -> Arrays:
    return generate()


def same(left: Arrays, right: Arrays) -> bool:
    return all(np.array_equal(getattr(left, n), getattr(right, n)) for n in Arrays._fields)


def test_card_states_the_default_arrays(default: Arrays) -> None:
    card = load_card("synthetic-clouds")
    made = card.generator
    assert made is not None
    assert (made.name, made.seed, made.train, made.test) == ("clouds", 2024, 320, 80)
    assert (card.targets, card.grouped, card.classes) == ("masks", True, CLASSES)
    assert default.x_train.shape == card.shapes["train"]
    assert default.x_test.shape == card.shapes["test"]
    assert generated.arrays_sha256(default._asdict()) == made.sha256, (
        "the pixels changed: raise clouds.VERSION and put the new hash into the card"
    )


def test_arrays_are_as_the_recipe_says(default: Arrays) -> None:
    for name, (dtype, shape) in recipe().wanted.items():
        array = getattr(default, name)
        assert (array.dtype, array.shape) == (np.dtype(dtype), shape)


def test_every_class_has_its_share(default: Arrays) -> None:
    for masks in (default.y_train, default.y_test):
        shares = np.bincount(masks.ravel(), minlength=4) / masks.size
        assert len(shares) == 4
        assert shares.min() > 0.05
        assert 0.4 < shares[CLEAR] < 0.7
    several = [len(np.unique(mask)) >= 3 for mask in default.y_train]
    assert np.mean(several) > 0.6, "most patches have something to tell apart"


def test_scenes_are_groups_of_four_and_none_is_in_both_splits(default: Arrays) -> None:
    assert default.groups_train.tolist() == [i // 4 for i in range(320)]
    assert default.groups_test.tolist() == [80 + i // 4 for i in range(80)]
    patches = np.concatenate([default.x_train, default.x_test]).reshape(400, -1)
    assert len({patch.tobytes() for patch in patches}) == 400


def test_a_shadow_is_its_cloud_moved_away_from_the_sun() -> None:
    image, mask = clouds._Scene(np.random.RandomState([7, 0, 2])).draw()
    cloud, shadow = mask == THICK, mask == SHADOW
    middle = slice(24, -24), slice(24, -24)  # beyond, clouds come from outside of the scene
    overlap = {
        (down, right): np.mean(np.roll(cloud, (down, right), (0, 1))[middle][shadow[middle]])
        for down in range(-20, 21)
        for right in range(-20, 21)
    }
    (down, right), best = max(overlap.items(), key=lambda item: float(item[1]))
    assert best > 0.97, "one offset explains all shadows of a scene"
    assert 7 <= np.hypot(down, right) <= 21
    assert image[shadow].mean() < image[mask == CLEAR].mean()


def test_brightness_alone_tells_no_class(default: Arrays) -> None:
    bright = default.x_train.mean(axis=-1)
    clear, thick, thin, shadow = (
        bright[default.y_train == k] for k in (CLEAR, THICK, THIN, SHADOW)
    )
    assert (clear > 200).mean() > 0.05, "snow and sand are as bright as clouds"
    assert (clear < 60).mean() > 0.05, "water is as dark as shadows"
    assert clear.mean() < thin.mean() < thick.mean()
    assert shadow.mean() < clear.mean()
    # The best single limit between thick cloud and the rest is far from done.
    rest = bright[default.y_train != THICK]
    error = min((thick < t).mean() / 2 + (rest >= t).mean() / 2 for t in range(120, 255, 5))
    assert 0.02 < error < 0.3


def test_same_seed_same_bytes_and_counts_do_not_matter() -> None:
    few, many = generate(7, 6, 2), generate(7, 9, 5)
    assert same(few, generate(7, 6, 2))
    assert np.array_equal(few.x_train, many.x_train[:6])
    assert np.array_equal(few.y_test, many.y_test[:2])
    assert few.groups_train.tolist() == [0, 0, 0, 0, 1, 1]
    assert few.groups_test.tolist() == [2, 2]
    assert not np.array_equal(few.x_train, generate(8, 6, 2).x_train)
    with pytest.raises(ExperimentError, match="synthetic-clouds: seed -1"):
        generate(-1, 4, 4)


def test_it_loads_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    small = load("synthetic-clouds", train_samples=8, test_samples=4, image_size=32)
    assert small.train.x.shape == (8, 32, 32, 3)
    assert small.train.y.shape == (8, 32, 32)
    assert small.train.groups is not None
    assert small.train.groups.tolist() == [0] * 4 + [1] * 4
    assert [path.name for path in (tmp_path / "fedbed" / "synthetic").iterdir()] == [
        "clouds-v1-2024-320-80.npz"
    ]
