from __future__ import annotations

import numpy as np
import pytest

from fedbed.data import scale
from fedbed.data.dataset import Split, load, scaled
from fedbed.errors import ExperimentError


def test_images_are_means_with_halves_rounded_up() -> None:
    x = np.array([[[0, 1, 10, 10], [1, 0, 10, 11], [255, 255, 0, 0], [255, 255, 0, 1]]], np.uint8)
    assert scale.images(x, 2).tolist() == [[[1, 10], [255, 0]]]  # 0.5, 10.25, 255, 0.25
    colour = np.stack([x, x // 2, 255 - x], axis=-1)
    small = scale.images(colour, 2)
    assert small.shape == (1, 2, 2, 3)
    assert small[..., 0].tolist() == scale.images(x, 2).tolist()
    assert small[0, 1, 0].tolist() == [255, 127, 0]


def test_images_agree_with_plain_means() -> None:
    x = np.random.RandomState(3).randint(0, 256, (5, 12, 24, 3)).astype(np.uint8)
    small = scale.images(x, 4)
    means = x.reshape(5, 4, 3, 8, 3, 3).mean(axis=(2, 4))
    assert small.shape == (5, 4, 8, 3)
    assert np.array_equal(small, np.floor(means + 0.5).astype(np.uint8))


def test_masks_keep_one_pixel_of_each_block_and_mix_no_classes() -> None:
    y = np.array([[[3, 0, 1, 1], [0, 0, 1, 2], [2, 2, 0, 3], [2, 2, 3, 3]]], np.uint8)
    assert scale.masks(y, 2).tolist() == [[[3, 1], [2, 0]]]


def test_the_size_that_there_is_changes_nothing() -> None:
    x = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    assert np.array_equal(scale.images(x, 8), x)
    assert scale.scaled_shape((8, 8, 3), 8) == (8, 8, 3)
    assert scale.scaled_shape((8, 16, 3), 4) == (4, 8, 3)


@pytest.mark.parametrize(
    ("shape", "size", "says"),
    [
        ((256, 256, 3), 100, "256x256 can't be scaled down to 100 .* allowed: 256, 128, 64, 32"),
        ((256, 256, 3), 512, "512 is more than the pictures have .256x256.; allowed: 256, 128"),
        ((8, 9), 4, "8x9 can't be scaled down to 4 by a whole factor; allowed: 8$"),
    ],
)
def test_what_does_not_divide_is_refused(shape: tuple[int, ...], size: int, says: str) -> None:
    with pytest.raises(ExperimentError, match=says):
        scale.scaled_shape(shape, size)
    with pytest.raises(ExperimentError, match=says):
        scale.images(np.zeros((1, *shape), np.uint8), size)


def test_labels_and_groups_stay() -> None:
    split = Split(np.zeros((2, 4, 4), np.uint8), np.array([5, 6]), np.array([1, 2]))
    small = scaled(split, 2)
    assert small.x.shape == (2, 2, 2)
    assert small.y is split.y
    assert small.groups is split.groups
    assert load("synthetic-digits", 3, 2, image_size=14).test.x.shape == (2, 14, 14)
