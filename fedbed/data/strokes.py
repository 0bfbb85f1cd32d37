"""How the ten digits are written: strokes in the unit square, x to the right and y down.

Only the shapes live here; `fedbed.data.synthetic` bends and draws them. Points are rounded to four
decimals, so that the last bit of `math.sin` on some platform can't reach a pixel.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, List, NamedTuple, Sequence, Tuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Point = Tuple[float, float]

JITTER_POINTS = 40
"""Most control points that a template may have (each sample draws this many jitters)."""


class Template(NamedTuple):
    """One way of writing a digit.

    points: float64 [k, 2], (x, y) in 0..1; segments: pairs of indices into points;
    jitter: largest random shift of a point, as a share of the square's side.
    """

    points: NDArray[np.float64]
    segments: List[Tuple[int, int]]
    jitter: float


def _arc(
    cx: float, cy: float, rx: float, ry: float, start: float, stop: float, steps: int
) -> List[Point]:
    """Points on an ellipse; degrees, 0 to the right, 90 down (clockwise on the screen)."""
    turn = [math.radians(start + (stop - start) * i / steps) for i in range(steps + 1)]
    return [(cx + rx * math.cos(a), cy + ry * math.sin(a)) for a in turn]


def _template(*strokes: Sequence[Point], jitter: float = 0.018) -> Template:
    points: List[Point] = []
    segments: List[Tuple[int, int]] = []
    for stroke in strokes:
        first = len(points)
        points.extend(stroke)
        segments.extend((i, i + 1) for i in range(first, len(points) - 1))
    if len(points) > JITTER_POINTS:
        raise ValueError(f"a template has {len(points)} points, more than {JITTER_POINTS}")
    return Template(np.array(points, np.float64).round(4), segments, jitter)


_ZERO = [
    _template(_arc(0.5, 0.5, 0.29, 0.43, -90, 270, 14)),
    _template(_arc(0.5, 0.5, 0.21, 0.43, -60, 300, 14)),
]
_ONE = [
    _template([(0.5, 0.07), (0.5, 0.5), (0.5, 0.93)]),
    _template([(0.34, 0.26), (0.53, 0.07), (0.53, 0.5), (0.53, 0.93)]),
    _template([(0.34, 0.24), (0.52, 0.07), (0.52, 0.5), (0.52, 0.93)], [(0.3, 0.93), (0.74, 0.93)]),
]
_TWO = [
    _template(
        [*_arc(0.49, 0.3, 0.27, 0.23, -165, 30, 8), (0.5, 0.65), (0.22, 0.92)],
        [(0.22, 0.92), (0.5, 0.9), (0.8, 0.92)],
    ),
    _template(
        [
            *_arc(0.47, 0.3, 0.26, 0.23, -160, 40, 8),
            (0.45, 0.72),
            *_arc(0.3, 0.81, 0.11, 0.1, 0, -270, 5)[1:],
            (0.52, 0.84),
            (0.82, 0.92),
        ]
    ),
]
_THREE = [
    _template(
        [*_arc(0.46, 0.28, 0.27, 0.21, -155, 90, 8), *_arc(0.46, 0.7, 0.3, 0.22, -90, 155, 8)]
    ),
    _template(
        [(0.24, 0.09), (0.74, 0.09), (0.46, 0.42), *_arc(0.45, 0.67, 0.3, 0.25, -80, 150, 8)]
    ),
]
_FOUR = [
    _template(
        [(0.3, 0.08), (0.22, 0.35), (0.2, 0.55), (0.5, 0.56), (0.82, 0.54)],
        [(0.7, 0.08), (0.66, 0.5), (0.64, 0.93)],
    ),
    _template(
        [(0.8, 0.66), (0.5, 0.66), (0.16, 0.66), (0.4, 0.36), (0.62, 0.07), (0.62, 0.5)],
        [(0.62, 0.5), (0.62, 0.93)],
    ),
]
_FIVE = [
    _template(
        [(0.76, 0.09), (0.52, 0.09), (0.3, 0.1), (0.28, 0.28), (0.26, 0.45)],
        [(0.26, 0.45), *_arc(0.46, 0.66, 0.29, 0.25, -105, 145, 9)],
    ),
    _template(
        [(0.32, 0.1), (0.29, 0.28), (0.28, 0.42), *_arc(0.45, 0.66, 0.28, 0.24, -85, 150, 9)],
        [(0.32, 0.1), (0.55, 0.1), (0.8, 0.07)],
    ),
]
_SIX = [
    _template(
        [(0.66, 0.07), (0.46, 0.2), (0.31, 0.42), *_arc(0.5, 0.69, 0.25, 0.23, 190, -180, 12)]
    ),
    _template(
        [(0.5, 0.06), (0.34, 0.28), (0.25, 0.55), *_arc(0.47, 0.73, 0.22, 0.19, 180, -130, 10)]
    ),
]
_SEVEN = [
    _template([(0.2, 0.1), (0.5, 0.1), (0.8, 0.1), (0.6, 0.5), (0.44, 0.93)]),
    _template(
        [(0.2, 0.1), (0.5, 0.1), (0.8, 0.1), (0.6, 0.5), (0.46, 0.93)], [(0.38, 0.5), (0.8, 0.5)]
    ),
    _template([(0.22, 0.24), (0.24, 0.1), (0.5, 0.12), (0.78, 0.09), (0.62, 0.4), (0.52, 0.93)]),
]
_EIGHT = [
    _template(_arc(0.5, 0.28, 0.21, 0.2, 90, 450, 11), _arc(0.5, 0.71, 0.26, 0.23, -90, 270, 12)),
    _template(
        [
            *_arc(0.52, 0.27, 0.22, 0.19, -20, -235, 7),
            *_arc(0.46, 0.73, 0.23, 0.2, -50, 235, 9),
            (0.73, 0.21),
        ]
    ),
]
_NINE = [
    _template(_arc(0.49, 0.3, 0.24, 0.22, 0, 360, 12), [(0.73, 0.3), (0.72, 0.6), (0.68, 0.93)]),
    _template(
        [
            *_arc(0.5, 0.3, 0.24, 0.22, -30, -360, 10),
            (0.74, 0.5),
            (0.66, 0.78),
            *_arc(0.45, 0.76, 0.2, 0.16, 30, 140, 4),
        ]
    ),
]

TEMPLATES: List[List[Template]] = [
    _ZERO,
    _ONE,
    _TWO,
    _THREE,
    _FOUR,
    _FIVE,
    _SIX,
    _SEVEN,
    _EIGHT,
    _NINE,
]
"""Indexed by digit: the ways of writing it."""
