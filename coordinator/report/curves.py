"""Learning curves over rounds: federated against centralised, with labels at the lines' ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fedbed.reporting import drawing, wording
from fedbed.reporting.reading import Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT = 300.0
_MARKED = 30
"""Up to so many rounds, each has a dot."""


class Curve(NamedTuple):
    """One line: its name, also that of its colour, and its points."""

    name: str
    points: Points


class Plot(NamedTuple):
    """A drawing with its title and the note below it."""

    title: str
    svg: str
    note: str = ""


def draw(metric: str, curves: Sequence[Curve], prefix: str) -> Plot | None:
    """Draw one metric; None where no curve has two points, which a line needs."""
    curves = [curve for curve in curves if curve.points]
    if not any(len(curve.points) > 1 for curve in curves):
        return None
    title = wording.metric_title(metric)
    low, high = drawing.zoom([[value for _, value in curve.points] for curve in curves])
    with drawing.figure(_HEIGHT) as (drawn, axes):
        for curve in curves:
            _line(axes, curve)
        every = [index for curve in curves for index, _ in curve.points]
        drawing.count_rounds(axes, min(every), max(every), room=0.36)
        axes.set_ylim(low, high)
        axes.grid(axis="y")
        if wording.is_ratio(metric) and low >= 0 and high <= 1.02:
            axes.yaxis.set_major_formatter(lambda value, _: f"{value * 100:.4g} %")
        _labels(axes, metric, curves, low, high)
        svg = drawing.to_svg(drawn, prefix, f"{title} by round: {_spoken(metric, curves)}")
    return Plot(title, svg, _cut_off(metric, curves, low, high))


def _line(axes: Axes, curve: Curve) -> None:
    federated = curve.name == "federated"
    dots = len(curve.points) <= _MARKED
    axes.plot(
        [index for index, _ in curve.points],
        [value for _, value in curve.points],
        color=drawing.colour(curve.name),
        linewidth=2.2 if federated else 1.8,
        linestyle="-" if federated else (0, (5, 2.2)),
        marker=("o" if federated else "D") if dots else "",
        markersize=5.5 if federated else 4.6,
        zorder=3 if federated else 2,
    )


def _labels(axes: Axes, metric: str, curves: Sequence[Curve], low: float, high: float) -> None:
    """Put name and last value beside each line's end, pushed apart where they would overlap."""
    apart = 2.5 * drawing.FONT_SIZE / (_HEIGHT * 0.8) * (high - low)
    ends = sorted((curve.points[-1][1], curve) for curve in curves)
    places = [min(max(value, low), high) for value, _ in ends]
    if len(places) == 2 and places[1] - places[0] < apart:
        middle = min(max(sum(places) / 2, low + apart), high - apart)
        places = [middle - apart / 2, middle + apart / 2]
    for place, (value, curve) in zip(places, ends, strict=True):
        shown = wording.score(value, metric)
        axes.annotate(
            f"{curve.name.capitalize()}\n{shown.text if shown else ''}",
            (curve.points[-1][0], place),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            color=drawing.colour(curve.name),
            fontweight="bold",
            linespacing=1.15,
        )


def _spoken(metric: str, curves: Sequence[Curve]) -> str:
    said = []
    for curve in curves:
        (first, start), (last, end) = curve.points[0], curve.points[-1]
        a, b = wording.score(start, metric), wording.score(end, metric)
        if a and b:
            said.append(f"{curve.name} from {a.text} in round {first} to {b.text} in round {last}")
    return "; ".join(said)


def _cut_off(metric: str, curves: Sequence[Curve], low: float, high: float) -> str:
    """Say which points lie outside the axis."""
    out = []
    for curve in curves:
        for index, value in curve.points:
            shown = wording.score(value, metric)
            if shown and not low <= value <= high:
                out.append(f"{curve.name} round {index}: {shown.text}")
    if not out:
        return ""
    more = f" and {len(out) - 4} more" if len(out) > 4 else ""
    return f"Outside the axis: {', '.join(out[:4])}{more}."
