"""Final figures as dots with intervals, one line for each variant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fedbed.comparison.figures import VariantFigures
from fedbed.comparison.report.curves import Plot, short
from fedbed.comparison.statistics import Estimate
from fedbed.reporting import drawing, wording

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LANE = 26
_LONGEST = 30


def finals(variants: Sequence[VariantFigures], metric: str, prefix: str) -> Plot:
    """Draw the final figure of each variant and of its twin, every seed with a small dot."""
    with drawing.figure(_height(variants), 480) as (figure, axes):
        for lane, variant in enumerate(variants):
            if variant.centralised:
                seeds = [run.centralised for run in variant.runs if run.centralised is not None]
                _mark(axes, variant.centralised, lane + 0.17, "centralised", "D", seeds)
            if variant.federated:
                seeds = [run.federated for run in variant.runs if run.federated is not None]
                _mark(axes, variant.federated, lane - 0.17, "federated", "o", seeds)
        _lanes(axes, variants)
        _units(axes, metric, difference=False)
        label = f"Final {wording.metric_name(metric)} of each variant with 95 % intervals"
        svg = drawing.to_svg(figure, prefix, label)
    return Plot(f"Final {wording.metric_name(metric)}", svg)


def differences(
    variants: Sequence[VariantFigures], metric: str, prefix: str, against: str
) -> Plot | None:
    """Draw differences seed by seed against the twin ('twin') or the reference; None without."""
    key = "against_twin" if against == "twin" else "against_reference"
    if not any(getattr(variant, key) for variant in variants):
        return None
    with drawing.figure(_height(variants), 480) as (figure, axes):
        axes.axvline(0, color=drawing.colour("muted"), linewidth=1.2, zorder=1)
        for lane, variant in enumerate(variants):
            found: Estimate | None = getattr(variant, key)
            if found:
                _mark(axes, found, lane, "ink" if against != "twin" else "federated", "o", ())
        _lanes(axes, variants)
        _units(axes, metric, difference=True)
        whom = "the centralised twin" if against == "twin" else against
        label = f"Differences of {wording.metric_name(metric)} to {whom} with 95 % intervals"
        svg = drawing.to_svg(figure, prefix, label)
    return Plot(f"Difference to {whom}, seed by seed", svg)


def _height(variants: Sequence[VariantFigures]) -> float:
    return 56.0 + _LANE * max(len(variants), 2)


def _mark(
    axes: Axes, found: Estimate, lane: float, name: str, marker: str, seeds: Sequence[float]
) -> None:
    colour = drawing.colour(name)
    if found.interval:
        axes.plot(found.interval, (lane, lane), color=colour, linewidth=1.8, zorder=2)
    axes.plot(seeds, [lane] * len(seeds), "o", color=colour, markersize=3, alpha=0.45, zorder=2)
    axes.plot([found.mean], [lane], marker, color=colour, markersize=6.5, zorder=3)


def _lanes(axes: Axes, variants: Sequence[VariantFigures]) -> None:
    names = [short(variant.name, _LONGEST) for variant in variants]
    axes.set_yticks(range(len(names)), names, color=drawing.colour("ink"))
    axes.set_ylim(max(len(names), 2) - 0.45, -0.55)
    axes.grid(axis="x")


def _units(axes: Axes, metric: str, *, difference: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    if not wording.is_ratio(metric):
        return
    if difference:
        axes.xaxis.set_major_formatter(lambda value, _: f"{value * 100:.4g}".replace("-", "\u2212"))
        axes.set_xlabel("points")
    else:
        axes.xaxis.set_major_formatter(lambda value, _: f"{value * 100:.4g} %")
