"""`synthetic-clouds`: satellite pictures in RGB with masks, drawn by our own code.

A scene has its own ground (fields, forest, water, desert or snow, two of them with a border
between), its own sun and its own clouds. Clouds are smooth noise above a threshold that gives the
scene its cover: thick ones hide the ground, thin ones veil it. A thick cloud's shadow is its own
shape, moved away from the sun by its height over the tangent of the sun's, and darkens the ground;
thin ones cast none worth labelling. Snow and desert are as bright as clouds and water as dark as
shadows, so that brightness alone tells no class. Four patches of 64x64 are cut from each scene,
side by side.

Same parameters, same bytes, on every machine, for the reasons that `synthetic` gives: plain
uniforms of `numpy.random.RandomState`, and only + - * / and sqrt, rounding, comparing and sorting,
one ufunc each; no sum over an axis, whose order of addition depends on the CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Dict, List, NamedTuple, Sequence, Tuple

import numpy as np

from fedbed.data import generated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[np.float64]
    Colour = Sequence[float]

VERSION = 1
"""Raise it with any change that alters a single pixel; it is part of the cache's key."""

CLASSES = ("clear", "thick_cloud", "thin_cloud", "shadow")
CLEAR, THICK, THIN, SHADOW = range(4)
DEFAULT_SEED = 2024
DEFAULT_TRAIN = 320
DEFAULT_TEST = 80
PATCH = 64
PATCHES = 4
"""Of each scene: the quarters of its middle."""

_MARGIN = 24  # pixels around the patches, where clouds lie whose shadows fall in
_SIDE = 2 * PATCH + 2 * _MARGIN
_SHADOW_MIN, _SHADOW_MAX = 8.0, 20.0  # pixels that a shadow lies away from its cloud
_CLOUDLESS = 0.08  # share of the scenes


class Arrays(NamedTuple):
    """Both splits: images uint8 [n, 64, 64, 3], masks uint8 [n, 64, 64], scenes int64 [n]."""

    x_train: NDArray[np.uint8]
    y_train: NDArray[np.uint8]
    groups_train: NDArray[np.int64]
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.uint8]
    groups_test: NDArray[np.int64]


def recipe(
    seed: int = DEFAULT_SEED, train: int = DEFAULT_TRAIN, test: int = DEFAULT_TEST
) -> generated.Recipe:
    """Say what `generate` makes of these parameters, for the cache."""
    wanted: Dict[str, Tuple[str, Tuple[int, ...]]] = {}
    for part, count in (("train", train), ("test", test)):
        wanted[f"x_{part}"] = ("uint8", (count, PATCH, PATCH, 3))
        wanted[f"y_{part}"] = ("uint8", (count, PATCH, PATCH))
        wanted[f"groups_{part}"] = ("int64", (count,))
    stem = f"clouds-v{VERSION}-{seed}-{train}-{test}"
    return generated.Recipe(stem, wanted, lambda: generate(seed, train, test)._asdict())


def generate(
    seed: int = DEFAULT_SEED, train: int = DEFAULT_TRAIN, test: int = DEFAULT_TEST
) -> Arrays:
    """Draw the data set, without any cache.

    The first k samples of a split are the same whatever its size. Scenes of the training are
    numbered from 0, those of the test follow. Raises ExperimentError for a seed outside 0..2**32-1
    or a count that is impossible.
    """
    generated.check_request("synthetic-clouds", seed, train=train, test=test)
    scenes = -(-train // PATCHES)
    return Arrays(*_draw_split(seed, 0, train, 0), *_draw_split(seed, 1, test, scenes))


def _draw_split(
    seed: int, split: int, count: int, first: int
) -> Tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int64]]:
    x = np.zeros((count, PATCH, PATCH, 3), np.uint8)
    y = np.zeros((count, PATCH, PATCH), np.uint8)
    rows = np.arange(count, dtype=np.int64)
    for scene in range(-(-count // PATCHES)):
        # A stream of its own for each scene: the count has no say in it.
        image, mask = _Scene(np.random.RandomState([seed, split, scene])).draw()
        for place in range(min(PATCHES, count - scene * PATCHES)):
            top = _MARGIN + place // 2 * PATCH
            left = _MARGIN + place % 2 * PATCH
            cut = slice(top, top + PATCH), slice(left, left + PATCH)
            x[scene * PATCHES + place], y[scene * PATCHES + place] = image[cut], mask[cut]
    return x, y, rows // PATCHES + first


class _Scene:
    """One scene; `rng` gives all its chances."""

    def __init__(self, rng: np.random.RandomState) -> None:
        self._rng = rng

    def draw(self) -> Tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Image uint8 [side, side, 3] and mask uint8 [side, side]."""
        sun_x, sun_y = self._sun()
        ground = self._ground()
        thick, thin = self._clouds()
        reach = self._between(_SHADOW_MIN, _SHADOW_MAX)
        down, right = int(np.rint(-sun_y * reach)), int(np.rint(-sun_x * reach))
        shade = _moved(thick, down, right)
        mask = np.full((_SIDE, _SIDE), CLEAR, np.uint8)
        # What lies higher hides what is below; the order is the one that a satellite sees.
        mask[shade >= 0.5] = SHADOW
        mask[thin >= 0.5] = THIN
        mask[thick >= 0.5] = THICK
        # The sky lights shadows, in blue.
        darkness = self._between(0.5, 0.66) * shade[:, :, None]
        image = ground * (1 - darkness * np.array([1.0, 0.96, 0.86]))
        veil = thin * (0.34 + 0.3 * self._noise((9, 4), (0.6, 0.4)))
        image = _mixed(image, np.array([232.0, 236.0, 244.0]), veil)
        image = _mixed(image, self._tops(sun_x, sun_y)[:, :, None], thick)
        grain = self._rng.random_sample(image.shape) + self._rng.random_sample(image.shape) - 1
        image = np.clip(np.rint(image + 5.0 * grain), 0, 255)
        return image.astype(np.uint8), mask

    def _between(self, low: float, high: float) -> float:
        return low + (high - low) * float(self._rng.random_sample())

    def _sun(self) -> Tuple[float, float]:
        """Direction to the sun, of length 1: any but straight up and down the picture."""
        # By tan(angle/2): rational, so exact rounding holds.
        half = self._between(-0.8, 0.8)
        east = 1.0 if self._rng.random_sample() < 0.5 else -1.0
        return east * (1 - half * half) / (1 + half * half), 2 * half / (1 + half * half)

    def _noise(self, periods: Sequence[int], weights: Sequence[float]) -> Field:
        """Smooth noise in 0..1: octaves with so many pixels from bump to bump."""
        total = np.zeros((_SIDE, _SIDE))
        for period, weight in zip(periods, weights):
            total = total + weight * _octave(self._rng, period)
        return total

    def _clouds(self) -> Tuple[Field, Field]:
        """How far thick and thin clouds cover each pixel, 0..1."""
        thick_share, thin_share = self._between(0.05, 0.4), self._between(0.0, 0.26)
        if self._rng.random_sample() < _CLOUDLESS:
            thick_share = thin_share = 0.0
        size = int(self._between(16, 38))
        puffs = self._noise((size, size // 2, 8, 4), (0.52, 0.28, 0.14, 0.06))
        thick = _above(puffs, thick_share, 0.035)
        # Thin clouds gather around thick ones, and drift on their own.
        wisps = self._noise((40, 17, 7), (0.55, 0.3, 0.15)) + 0.4 * puffs
        return thick, _above(wisps, thin_share + 0.5 * thick_share, 0.09)

    def _tops(self, sun_x: float, sun_y: float) -> Field:
        """Brightness of thick clouds: billows, lit from the sun's side."""
        billows = self._noise((14, 7, 4), (0.5, 0.3, 0.2))
        away = _moved(billows, int(np.rint(-2 * sun_y)), int(np.rint(-2 * sun_x)))
        lit: Field = self._between(224, 246) + 50 * (billows - 0.5) + 70 * (billows - away)
        return lit

    def _ground(self) -> Field:
        """Colours of the ground, 0..255: two kinds with a smooth border between."""
        kinds: List[Callable[[], Field]] = [
            self._fields, self._forest, self._water, self._desert, self._snow,
        ]  # fmt: skip
        first = int(self._rng.random_sample() * len(kinds))
        second = int(self._rng.random_sample() * len(kinds))
        share = self._between(0.0, 0.55)
        border = self._noise((70, 30, 9), (0.6, 0.28, 0.12))
        one, other = kinds[first](), kinds[second]()
        return _mixed(one, other, _above(border, share, 0.012))

    def _fields(self) -> Field:
        """Plots in rows that stand askew, each with a crop's colour and furrows."""
        crops: List[Colour] = [
            (96, 122, 58), (134, 148, 74), (168, 150, 98), (122, 98, 70), (76, 108, 62),
            (186, 172, 118), (108, 128, 88),
        ]  # fmt: skip
        slope = self._between(-0.5, 0.5)
        across = _COLUMNS + slope * _ROWS + 200
        along = _ROWS - slope * _COLUMNS + 200
        width, depth = self._between(12, 26), self._between(9, 20)
        column = np.floor(across / width).astype(np.int64)
        row = np.floor((along + 5.0 * (column % 3)) / depth).astype(np.int64)
        deal = self._rng.random_sample(4096)
        plot = deal[(column * 61 + row * 17) % 4096]
        colours = np.array(crops)[(plot * len(crops)).astype(np.int64)]
        furrows = np.floor(across * (0.5 + 0.3 * plot)) % 2
        shade = 1 + 0.05 * (furrows - 0.5) + 0.22 * (self._noise((8, 4), (0.6, 0.4)) - 0.5)
        painted: Field = colours * shade[:, :, None]
        edge = (across / width - column < 0.07) | (along / depth - np.floor(along / depth) < 0.05)
        return np.where(edge[:, :, None], painted * 0.82, painted)

    def _forest(self) -> Field:
        """Crowns of trees, and clearings."""
        crowns = self._noise((5, 3), (0.6, 0.4))
        stand = self._noise((38, 15), (0.6, 0.4))
        return _shaded((30, 52, 30), (84, 110, 62), 0.55 * crowns + 0.45 * stand)

    def _water(self) -> Field:
        """Dark, deeper here and there, with ripples; sometimes it glints."""
        depth = self._noise((55, 22), (0.7, 0.3))
        ripples = self._noise((6, 3), (0.5, 0.5)) - 0.5
        glint = self._between(0, 46) * self._noise((44, 12), (0.7, 0.3))
        waves: Field = (14 * ripples + glint)[:, :, None]
        return np.add(_shaded((14, 34, 62), (36, 82, 104), depth), waves)

    def _desert(self) -> Field:
        """Bright sand in ridges, with rock."""
        drift = self._noise((30, 12), (0.65, 0.35))
        waves = (_COLUMNS * self._between(-0.12, 0.12) + _ROWS * 0.13) + 3.5 * drift
        ridge = np.absolute(waves - np.floor(waves) - 0.5) * 2
        painted = _shaded((176, 138, 92), (238, 212, 164), 0.55 * ridge + 0.45 * drift)
        rock = _above(self._noise((26, 8), (0.6, 0.4)), self._between(0, 0.18), 0.05)
        return _mixed(painted, np.array([124.0, 92.0, 70.0]), rock)

    def _snow(self) -> Field:
        """As bright as clouds: slopes that face the sun and slopes that don't, rock between."""
        relief = self._noise((34, 15, 6), (0.5, 0.32, 0.18))
        slope = relief - _moved(relief, 2, 2)
        painted = _shaded((168, 190, 222), (250, 252, 255), 0.5 + 3.4 * slope)
        rock = _above(self._noise((24, 9, 4), (0.5, 0.3, 0.2)), self._between(0.02, 0.3), 0.03)
        return _mixed(painted, np.array([88.0, 84.0, 82.0]), rock)


_ROWS = np.repeat(np.arange(_SIDE, dtype=np.float64)[:, None], _SIDE, axis=1)
_COLUMNS = _ROWS.T.copy()


def _octave(rng: np.random.RandomState, period: int) -> Field:
    """Random values on a grid with `period` pixels between, and smoothly in between."""
    period = max(period, 2)
    knots = _SIDE // period + 3
    grid = rng.random_sample((knots, knots))
    at = (np.arange(_SIDE) + period * float(rng.random_sample())) / period
    low = np.floor(at).astype(np.int64)
    part = at - low
    part = part * part * (3 - 2 * part)
    rows = grid[low] * (1 - part)[:, None] + grid[low + 1] * part[:, None]
    smooth: Field = rows[:, low] * (1 - part)[None] + rows[:, low + 1] * part[None]
    return smooth


def _above(field: Field, share: float, softness: float) -> Field:
    """0..1: the `share` of the pixels where the field is highest, 0.5 at the border."""
    if share <= 0:
        return np.zeros_like(field)
    ordered = np.sort(field, axis=None)
    limit = ordered[min(int((1 - share) * ordered.size), ordered.size - 1)]
    covered: Field = np.clip((field - limit) / softness + 0.5, 0, 1)
    return covered


def _moved(field: Field, down: int, right: int) -> Field:
    """The field moved by whole pixels; its edge repeats where nothing comes in."""
    rows = np.clip(np.arange(_SIDE) - down, 0, _SIDE - 1)
    columns = np.clip(np.arange(_SIDE) - right, 0, _SIDE - 1)
    moved: Field = field[rows][:, columns]
    return moved


def _shaded(low: Colour, high: Colour, share: Field) -> Field:
    """Colours from `low` to `high`, [side, side, 3]; beyond 0..1 they go on."""
    begin, end = np.array(low, np.float64), np.array(high, np.float64)
    mixed: Field = begin + (end - begin) * share[:, :, None]
    return mixed


def _mixed(one: Field, other: Field, share: Field) -> Field:
    """`share` (0..1, [side, side]) of the other's colours over the one's, [side, side, 3]."""
    there = share[:, :, None]
    mixed: Field = one * (1 - there) + other * there
    return mixed
