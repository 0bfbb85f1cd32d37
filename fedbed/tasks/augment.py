"""Augmentation of image batches in numpy: the same on every machine for the same random state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Tuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PADDING = 4


def crop_and_flip(images: NDArray[np.uint8], random: np.random.RandomState) -> NDArray[np.uint8]:
    """Shift each image by up to 4 pixels either way, and mirror every other one.

    images: uint8 [n, h, w, channels], left as they are; returns the same shape. A crop at a random
    place of the image padded with 4 black pixels on each side, and a horizontal flip with
    probability 1/2: He et al., arXiv 1512.03385, section 4.2.
    """
    count, height, width, channels = images.shape
    extent = (count, height + 2 * PADDING, width + 2 * PADDING, channels)
    padded = np.zeros(extent, np.uint8)
    padded[:, PADDING : PADDING + height, PADDING : PADDING + width] = images
    # Plain uniforms only, as NumPy has frozen RandomState's (NEP 19): old boards draw the same.
    draws = random.random_sample((count, 3))
    down = (draws[:, 0] * (2 * PADDING + 1)).astype(np.int64)
    right = (draws[:, 1] * (2 * PADDING + 1)).astype(np.int64)
    rows = down[:, None] + np.arange(height)
    forward = np.arange(width)
    columns = np.where(draws[:, 2:] < 0.5, forward, forward[::-1]) + right[:, None]
    cut: NDArray[np.uint8] = padded[
        np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]
    ]
    return cut


def symmetries(
    images: NDArray[np.uint8], masks: NDArray[np.uint8], random: np.random.RandomState
) -> Tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Turn and mirror each image with its mask: one of the 8 symmetries of the square, at random.

    images: uint8 [n, h, w, channels], masks: uint8 [n, h, w], left as they are; returns the same
    shapes. Where height and width differ, it is one of the rectangle's 4.
    """
    down, across, swapped = random.random_sample((len(images), 3)).T < 0.5
    square = images.shape[1] == images.shape[2]
    turned = images.copy(), masks.copy()
    for array in turned:
        array[down] = array[down, ::-1]
        array[across] = array[across][:, :, ::-1]
        if square:
            array[swapped] = array[swapped].swapaxes(1, 2)
    return turned
