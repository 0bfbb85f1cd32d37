"""Learning curves of variants: means over seeds with bands, on the same axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedbed.comparison.figures import (
    CENTRALISED,
    FEDERATED,
    Band,
    Figures,
    VariantFigures,
    band,
)
from fedbed.reporting import drawing, wording

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE, _HEIGHT = 960.0, 380.0
_SMALL_WIDTH, _SMALL_HEIGHT = 340.0, 210.0
_MARKERS = ("o", "s", "^", "D", "v", "P")
_MARKED = 30
"""Up to so many rounds, each has a mark."""
MOST_PANELS = 48


@dataclass(frozen=True)
class Plot:
    """A drawing with its title and a note."""

    title: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class _Line:
    name: str
    colour: str
    found: Band
    marker: str = ""
    dashed: bool = False


def overview(figures: Figures, metric: str, prefix: str) -> Plot | None:
    """Draw all variants on one pair of axes; None where there are too many, or no curves."""
    drawn = [(v, found) for v in _of(figures, metric) if (found := band(v.runs, FEDERATED, metric))]
    if not drawn or len(drawn) > len(drawing.LINES):
        return None
    lines = [
        _Line(variant.name, colour, found, marker)
        for (variant, found), colour, marker in zip(drawn, drawing.LINES, _MARKERS, strict=False)
    ]
    twins = shared_twins([variant for variant, _ in drawn], metric)
    if len(twins) == 1:
        lines.append(_Line("centralised twin", CENTRALISED, twins[0], "", dashed=True))
    title = wording.metric_title(metric)
    with drawing.figure(_HEIGHT, _WIDE) as (figure, axes):
        _frame(axes, [line.found for line in lines], metric, room=0.22)
        for line in lines:
            _draw(axes, line)
        _label_ends(axes, lines)
        svg = drawing.to_svg(figure, prefix, f"{title} by round: {_spoken(lines, metric)}")
    note = ""
    if len(twins) > 1:
        note = "The variants' centralised twins differ and stand with each variant below."
    return Plot(title, svg, note)


def panels(figures: Figures, metric: str, prefix: str) -> list[Plot]:
    """Draw each variant beside its twin, with the others' means behind, all on the same scale."""
    variants = [v for v in _of(figures, metric) if band(v.runs, FEDERATED, metric)][:MOST_PANELS]
    mine = {v.name: band(v.runs, FEDERATED, metric) for v in variants}
    twins = {v.name: band(v.runs, CENTRALISED, metric) for v in variants}
    every = [found for found in (*mine.values(), *twins.values()) if found]
    plots = []
    for place, variant in enumerate(variants):
        with drawing.figure(_SMALL_HEIGHT, _SMALL_WIDTH) as (figure, axes):
            _frame(axes, every, metric)
            for name, other in mine.items():
                if other and name != variant.name:
                    axes.plot(other.rounds, other.mean, color=drawing.colour("wait"), linewidth=1)
            lines = []
            found, twin = mine[variant.name], twins[variant.name]
            if twin:
                lines.append(_Line("centralised twin", CENTRALISED, twin, dashed=True))
            if found:
                lines.append(_Line(variant.name, FEDERATED, found))
            for line in lines:
                _draw(axes, line)
            label = f"{variant.name}: {_spoken(lines, metric)}"
            plots.append(Plot(variant.name, drawing.to_svg(figure, f"{prefix}{place}", label)))
    return plots


def shared_twins(variants: Iterable[VariantFigures], metric: str) -> list[Band]:
    """Return the variants' twins, each different one once."""
    found: list[Band] = []
    for variant in variants:
        twin = band(variant.runs, CENTRALISED, metric)
        if twin is not None and twin not in found:
            found.append(twin)
    return found


def _of(figures: Figures, metric: str) -> list[VariantFigures]:
    return [v for v in figures.variants if v.metric == metric and v.runs]


def _frame(axes: Axes, bands: Sequence[Band], metric: str, room: float = 0.0) -> None:
    low, high = drawing.zoom([[*found.low, *found.high] for found in bands])
    low, high = _zoomed(bands, low, high)
    axes.set_ylim(low, high)
    axes.grid(axis="y")
    first = min(found.rounds[0] for found in bands)
    last = max(found.rounds[-1] for found in bands)
    drawing.count_rounds(axes, first, last, room=room)
    if wording.is_ratio(metric) and low >= -0.02 and high <= 1.02:
        axes.yaxis.set_major_formatter(lambda value, _: f"{value * 100:.4g} %")


def _zoomed(bands: Sequence[Band], low: float, high: float) -> tuple[float, float]:
    """Return a range for the last four fifths, where the lowest tenth of them would waste it."""
    late_low = [value for found in bands for value in found.low[len(found.low) // 5 :]]
    late_high = [value for found in bands for value in found.high[len(found.high) // 5 :]]
    return drawing.zoom([[low, high], [*late_low, *late_high]]) if late_low else (low, high)


def _draw(axes: Axes, line: _Line) -> None:
    colour, found = drawing.colour(line.colour), line.found
    if found.low != found.high:
        axes.fill_between(
            found.rounds, found.low, found.high, color=colour, alpha=0.14, linewidth=0, zorder=1
        )
    axes.plot(
        found.rounds,
        found.mean,
        color=colour,
        linewidth=1.8 if line.dashed else 2,
        linestyle=(0, (5, 2.2)) if line.dashed else "-",
        marker=line.marker if len(found.rounds) <= _MARKED else "",
        markersize=4.6,
        zorder=3,
    )


def _label_ends(axes: Axes, lines: Sequence[_Line]) -> None:
    """Write each line's name at its end, pushed apart where they would overlap."""
    low, high = axes.get_ylim()
    apart = 1.35 * drawing.FONT_SIZE / (_HEIGHT * 0.86) * (high - low)
    ordered = sorted(lines, key=lambda line: line.found.mean[-1])
    places = spread([line.found.mean[-1] for line in ordered], apart, low, high)
    last = max(line.found.rounds[-1] for line in lines)
    for line, place in zip(ordered, places, strict=True):
        axes.annotate(
            short(line.name, 26),
            (last, place),
            xytext=(10, 0),
            textcoords="offset points",
            va="center",
            color=drawing.colour(line.colour),
            fontweight="bold",
            annotation_clip=False,
        )


def spread(values: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Return places for labels near ascending values, `apart` from each other within low..high.

    Where all of them don't fit, they stand closer, at equal distances.
    """
    if len(values) < 2:
        return [min(max(value, low), high) for value in values]
    apart = min(apart, (high - low) / (len(values) - 1))
    places = [min(max(value, low), high) for value in values]
    for place in range(1, len(places)):
        places[place] = max(places[place], places[place - 1] + apart)
    over = places[-1] - high
    if over > 0:
        places[-1] = high
        for place in range(len(places) - 2, -1, -1):
            places[place] = min(places[place], places[place + 1] - apart)
    return places


def short(name: str, most: int) -> str:
    """Shorten a name in its middle: names of a grid begin alike and differ in their ends."""
    if len(name) <= most:
        return name
    head = (most - 1) // 2
    return f"{name[:head].rstrip()}\u2026{name[head + 1 - most :].lstrip()}"


def _spoken(lines: Iterable[_Line], metric: str) -> str:
    said = []
    for line in lines:
        end = wording.score(line.found.mean[-1], metric)
        if end:
            said.append(f"{line.name} ends at {end.text}")
    return "; ".join(said)
