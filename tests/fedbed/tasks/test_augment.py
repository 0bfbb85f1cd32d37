from __future__ import annotations

from typing import Any

import numpy as np

from fedbed.tasks.augment import PADDING, crop_and_flip


def images(count: int) -> Any:
    # No two pixels of an image alike in all channels, and none black.
    rng = np.random.RandomState(0)
    return rng.randint(1, 256, (count, 32, 32, 3)).astype(np.uint8)


def test_each_image_is_a_shifted_and_perhaps_mirrored_copy() -> None:
    given = images(300)
    kept = given.copy()
    found = crop_and_flip(given, np.random.RandomState(1))
    assert np.array_equal(given, kept)
    assert (found.shape, found.dtype) == (given.shape, given.dtype)
    padded = np.pad(given, ((0, 0), (PADDING, PADDING), (PADDING, PADDING), (0, 0)))
    seen = []
    for one, whole in zip(found, padded):
        ways = [
            (top, left, flip)
            for top in range(9)
            for left in range(9)
            for flip in (False, True)
            if np.array_equal(
                one[:, ::-1] if flip else one, whole[top : top + 32, left : left + 32]
            )
        ]
        assert len(ways) == 1
        seen += ways
    tops, lefts, flips = zip(*seen)
    assert set(tops) == set(lefts) == set(range(9))
    assert 120 < sum(flips) < 180


def test_the_random_state_decides() -> None:
    given = images(20)
    one, other = (crop_and_flip(given, np.random.RandomState([5, 1])) for _ in range(2))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, crop_and_flip(given, np.random.RandomState([6, 1])))
    assert crop_and_flip(given[:0], np.random.RandomState(0)).shape == (0, 32, 32, 3)


def test_the_draws_are_frozen() -> None:
    """They decide results: a change would break the repetition of earlier runs."""
    ramp = np.arange(3072).reshape(1, 32, 32, 3).astype(np.uint8)
    found = crop_and_flip(ramp.repeat(4, axis=0), np.random.RandomState([7, 1]))
    assert found[:, 16, 16, 0].tolist() == [106, 185, 179, 252]
