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

import hashlib
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from fedbed.data.strokes import JITTER_POINTS, TEMPLATES, Template
from fedbed.errors import ExperimentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSION = 1
"""Raise it with any change that alters a single pixel; it is part of the cache's key."""

DEFAULT_SEED = 2024
DEFAULT_TRAIN = 12_000
DEFAULT_TEST = 2_000
MAX_SAMPLES = 1_000_000
SIDE = 28

_CHUNK = 64  # images at a time: 64 x 784 float32 = 200 kB an array, so a chunk stays in cache
_SCALARS = 18  # uniforms a sample spends before its jitter


class Arrays(NamedTuple):
    """Both splits: images uint8 [n, 28, 28] (0 is background), labels int64 [n]."""

    x_train: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.int64]


def generate(
    seed: int = DEFAULT_SEED, train: int = DEFAULT_TRAIN, test: int = DEFAULT_TEST
) -> Arrays:
    """Draw the data set, without any cache.

    The first k samples of a split are the same whatever its size, and the splits don't depend on
    each other. Raises ExperimentError for a seed outside 0..2**32-1 or a count that is impossible.
    """
    if not 0 <= seed < 2**32:
        raise ExperimentError(f"synthetic-digits: seed {seed} is not within 0 and 4294967295")
    for what, count in (("train", train), ("test", test)):
        if not 0 <= count <= MAX_SAMPLES:
            raise ExperimentError(
                f"synthetic-digits: {count} {what} samples asked, allowed are 0 to {MAX_SAMPLES}"
            )
    x_train, y_train = _draw_split(np.random.RandomState([seed, 0]), train)
    x_test, y_test = _draw_split(np.random.RandomState([seed, 1]), test)
    return Arrays(x_train, y_train, x_test, y_test)


def load(seed: int = DEFAULT_SEED, train: int = DEFAULT_TRAIN, test: int = DEFAULT_TEST) -> Arrays:
    """Like `generate`, kept in the user's cache; works uncached where that can't be written."""
    path = cache_path(seed, train, test)
    cached = _read_cache(path, train, test)
    if cached is not None:
        return cached
    arrays = generate(seed, train, test)
    _write_cache(path, arrays)
    return arrays


def arrays_sha256(arrays: Arrays) -> str:
    """Hex sha256 over x_train, y_train, x_test, y_test: C order, little-endian, without headers."""
    digest = hashlib.sha256()
    digest.update(np.ascontiguousarray(arrays.x_train).data)
    digest.update(arrays.y_train.astype("<i8").tobytes())
    digest.update(np.ascontiguousarray(arrays.x_test).data)
    digest.update(arrays.y_test.astype("<i8").tobytes())
    return digest.hexdigest()


def cache_path(seed: int, train: int, test: int) -> Optional[Path]:
    """File that caches these parameters; None where the user has no home folder."""
    root = os.environ.get("XDG_CACHE_HOME")
    try:
        base = Path(root) if root else Path.home() / ".cache"
    except RuntimeError:  # no home: a bare container user
        return None
    return base / "fedbed" / "synthetic" / f"digits-v{VERSION}-{seed}-{train}-{test}.npz"


def _read_cache(path: Optional[Path], train: int, test: int) -> Optional[Arrays]:
    if path is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = Arrays(*(stored[name] for name in Arrays._fields))
            expected = str(stored["sha256"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    fits = (
        arrays.x_train.shape == (train, SIDE, SIDE)
        and arrays.x_test.shape == (test, SIDE, SIDE)
        and arrays.x_train.dtype == arrays.x_test.dtype == np.uint8
        and arrays.y_train.dtype == arrays.y_test.dtype == np.int64
        and arrays_sha256(arrays) == expected
    )
    return arrays if fits else None  # a damaged cache is drawn anew, never trusted


def _write_cache(path: Optional[Path], arrays: Arrays) -> None:
    if path is None:
        return
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    named: Dict[str, NDArray[np.generic]] = dict(zip(Arrays._fields, arrays))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as out:
                # Not compressed: 11 MB are cheaper to read than to inflate on a board.
                np.savez(out, sha256=np.array(arrays_sha256(arrays)), **named)  # type: ignore[arg-type]
            part.replace(path)
        finally:
            if part.exists():
                part.unlink()
    except OSError:
        return  # read-only or full: the cache is a convenience


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
