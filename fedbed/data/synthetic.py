"""`synthetic-digits`: 28x28 grey digits drawn by our own code, for runs without a download.

Each digit is a few strokes (polylines and arcs) in the unit square. A sample picks a way of
writing its digit, bends it with a random quadratic warp, jitters the control points, applies a
random affine map (rotation, scale, shear, shift) and is rasterised, anti-aliased, by each pixel's
distance to the nearest segment.

Same parameters, same bytes, on every machine, because:
- every draw comes from `numpy.random.RandomState`, whose stream NumPy has frozen (NEP 19), and only
  from its plain uniforms;
- per sample only + - * / and sqrt are used, one ufunc each, which IEEE 754 rounds exactly
  (no sin, exp or dot product, whose last bit depends on the CPU);
- points are quantised to 1/64 pixel before rasterising.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, List, NamedTuple, Tuple

import numpy as np

from fedbed.data import generated
from fedbed.data.strokes import JITTER_POINTS, TEMPLATES, Template

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSION = 1
"""Raise it with any change that alters a single pixel; it is part of the cache's key."""

DEFAULT_SEED = 2024
DEFAULT_TRAIN = 12_000
DEFAULT_TEST = 2_000
SIDE = 28

_CHUNK = 64  # images at a time: 64 x 784 float32 = 200 kB an array, so a chunk stays in cache
_SCALARS = 18  # uniforms a sample spends before its jitter


class Arrays(NamedTuple):
    """Both splits: images uint8 [n, 28, 28] (0 is background), labels int64 [n]."""

    x_train: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.int64]


def recipe(
    seed: int = DEFAULT_SEED, train: int = DEFAULT_TRAIN, test: int = DEFAULT_TEST
) -> generated.Recipe:
    """Say what `generate` makes of these parameters, for the cache."""
    wanted = {
        "x_train": ("uint8", (train, SIDE, SIDE)),
        "y_train": ("int64", (train,)),
        "x_test": ("uint8", (test, SIDE, SIDE)),
        "y_test": ("int64", (test,)),
    }
    stem = f"digits-v{VERSION}-{seed}-{train}-{test}"
    return generated.Recipe(stem, wanted, lambda: generate(seed, train, test)._asdict())


def generate(
    seed: int = DEFAULT_SEED, train: int = DEFAULT_TRAIN, test: int = DEFAULT_TEST
) -> Arrays:
    """Draw the data set, without any cache.

    The first k samples of a split are the same whatever its size, and the splits don't depend on
    each other. Raises ExperimentError for a seed outside 0..2**32-1 or a count that is impossible.
    """
    generated.check_request("synthetic-digits", seed, train=train, test=test)
    x_train, y_train = _draw_split(np.random.RandomState([seed, 0]), train)
    x_test, y_test = _draw_split(np.random.RandomState([seed, 1]), test)
    return Arrays(x_train, y_train, x_test, y_test)


def _draw_split(
    rng: np.random.RandomState, count: int
) -> Tuple[NDArray[np.uint8], NDArray[np.int64]]:
    # One row of uniforms a sample, so that the first k samples don't depend on the count.
    draws = rng.random_sample((count, _SCALARS + 2 * JITTER_POINTS))
    labels = (draws[:, 0] * 10).astype(np.int64)
    images = np.zeros((count, SIDE, SIDE), np.uint8)
    for digit, ways in enumerate(TEMPLATES):
        mine = labels == digit
        choice = (draws[:, 1] * len(ways)).astype(np.int64)
        for way, template in enumerate(ways):
            rows = np.flatnonzero(mine & (choice == way))
            for start in range(0, len(rows), _CHUNK):
                chunk = rows[start : start + _CHUNK]
                images[chunk] = _draw_chunk(template, draws[chunk])
    return images, labels


def _draw_chunk(template: Template, draws: NDArray[np.float64]) -> NDArray[np.uint8]:
    x, y = _pose(template, draws)
    half_width = (0.75 + 1.05 * draws[:, 10]).astype(np.float32)
    ink = (150 + 105 * draws[:, 11]).astype(np.float32)
    softness = (0.8 + 0.9 * draws[:, 12]).astype(np.float32)  # pixels from full ink to none
    distance = _distance(x, y, template.segments)
    cover = (half_width[:, None, None] - distance) / softness[:, None, None] + np.float32(0.5)
    np.clip(cover, 0, 1, out=cover)
    cover *= ink[:, None, None]
    result: NDArray[np.uint8] = (cover + np.float32(0.5)).astype(np.uint8)
    return result


def _pose(
    template: Template, draws: NDArray[np.float64]
) -> Tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Control points in pixels, float32 [n, points] each, after warp, jitter and affine map."""
    points = template.points
    signed = draws * 2 - 1  # uniform in [-1, 1)

    def col(index: int, size: float) -> NDArray[np.float64]:
        column: NDArray[np.float64] = signed[:, index : index + 1] * size
        return column

    x = points[None, :, 0] - 0.5
    y = points[None, :, 1] - 0.5
    # The warp bends whole strokes, as hands do; jitter on single points alone would only look torn.
    bent_x = x + col(2, 0.38) * x * x + col(3, 0.40) * x * y + col(4, 0.42) * y * y
    bent_y = y + col(5, 0.30) * x * x + col(6, 0.40) * x * y + col(7, 0.30) * y * y
    jitter = signed[:, _SCALARS:].reshape(len(draws), JITTER_POINTS, 2)[:, : len(points)]
    bent_x = bent_x + jitter[:, :, 0] * template.jitter
    bent_y = bent_y + jitter[:, :, 1] * template.jitter
    # Rotation through tan(angle/2): rational, so exact rounding holds. The sum of two uniforms
    # prefers small angles; the limit is 31 degrees.
    half = (col(8, 1.0) + col(9, 1.0)) * 0.14
    cos = (1 - half * half) / (1 + half * half)
    sin = 2 * half / (1 + half * half)
    width = 20.0 * (1 + col(13, 0.22))
    height = 20.0 * (1 + col(14, 0.15))
    sheared_x = (bent_x + col(15, 0.30) * bent_y) * width
    tall_y = bent_y * height
    px = cos * sheared_x - sin * tall_y + (SIDE - 1) / 2 + col(16, 2.2)
    py = sin * sheared_x + cos * tall_y + (SIDE - 1) / 2 + col(17, 2.2)
    return _quantise(px), _quantise(py)


def _quantise(pixels: NDArray[np.float64]) -> NDArray[np.float32]:
    quantised: NDArray[np.float32] = (np.rint(pixels * 64) / 64).astype(np.float32)
    return quantised


def _distance(
    x: NDArray[np.float32], y: NDArray[np.float32], segments: List[Tuple[int, int]]
) -> NDArray[np.float32]:
    """Distance in pixels of every pixel's centre to the nearest segment: float32 [n, 28, 28]."""
    grid = np.arange(SIDE, dtype=np.float32)[None, :]
    shape = (len(x), SIDE, SIDE)
    nearest = np.full(shape, np.float32(1e6))
    along, off = np.empty(shape, np.float32), np.empty(shape, np.float32)
    for begin, end in segments:
        ax, ay = x[:, begin, None], y[:, begin, None]
        dx, dy = x[:, end, None] - ax, y[:, end, None] - ay
        length2 = np.maximum(dx * dx + dy * dy, np.float32(1e-6))  # a point is a segment too
        rel_x, rel_y = grid - ax, grid - ay
        np.add((rel_x * dx / length2)[:, None, :], (rel_y * dy / length2)[:, :, None], out=along)
        np.maximum(along, 0, out=along)
        np.minimum(along, 1, out=along)
        np.multiply(along, dx[:, :, None], out=off)
        np.subtract(rel_x[:, None, :], off, out=off)
        np.multiply(off, off, out=off)
        np.multiply(along, dy[:, :, None], out=along)
        np.subtract(rel_y[:, :, None], along, out=along)
        np.multiply(along, along, out=along)
        np.add(off, along, out=off)
        np.minimum(nearest, off, out=nearest)
    np.sqrt(nearest, out=nearest)
    return nearest
