"""Augmentation of image batches in numpy: the same on every machine for the same random state."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
