"""The section on who holds which data: a table of counts, and for many nodes a drawing."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from coordinator.report.curves import Plot
from coordinator.report.summary import Fact
from fedbed.experiment import picture
from fedbed.experiment.picture import Colours, Holding
from fedbed.reporting import drawing, wording
from fedbed.reporting.reading import (
    Row,
    items,
    mapping,
    node_names,
    number,
    partition_of,
    rows,
    text,
)
from fedbed.reporting.wording import Shown

_MOST_NUMBERED = 12
"""Up to so many classes, the cells of the heat map show their counts."""
Held = tuple[str, list[float | int], float | int | None]
"""A node's name, what it has of each class, and its number of samples."""
_MOST_LINES = 24
"""Of more nodes a drawing comes first, and the table is folded away."""


@dataclass
class Cell:
    """What a node has of one class; `depth` is 0 to 1, relative to the largest cell."""

    count: Shown
    depth: float


@dataclass
class Holdings:
    """Who holds which classes: one line per node with its name, cells and total."""

    classes: list[str]
    lines: list[tuple[str, list[Cell], Shown | None]]
    numbered: bool
    unit: str
    """What the cells count: samples, or pixels (as shares)."""
    drawn: Plot | None = None
    """For many nodes."""
    facts: list[Fact] = field(default_factory=list)
    meaning: str = ""
    """What the figure of heterogeneity says, in a sentence."""


def build(result: Row) -> Holdings | None:
    """Gather who holds what; None where the result doesn't say."""
    names = node_names(result)
    held = []
    for row in rows(result.get("nodes")):
        counts = [max(number(value) or 0, 0) for value in items(row.get("class_counts"))]
        if counts:
            samples = number(row.get("train_samples"))
            held.append((names[partition_of(row)], counts, samples))
    if not held:
        return None
    partition = mapping(result.get("partition"))
    unit = text(partition.get("unit")) or "samples"
    width = max(len(counts) for _, counts, _ in held)
    classes = [text(name) for name in items(result.get("classes"))]
    classes = (classes + [str(place) for place in range(len(classes), width)])[:width]
    held = [(name, counts + [0] * (width - len(counts)), total) for name, counts, total in held]
    return Holdings(
        classes=classes,
        lines=_lines(held, unit),
        numbered=width <= _MOST_NUMBERED,
        unit=unit,
        drawn=_drawn(held, classes) if len(held) > _MOST_LINES else None,
        facts=_facts(partition),
        meaning=_meaning(number(partition.get("heterogeneity")), unit),
    )


def _lines(held: list[Held], unit: str) -> list[tuple[str, list[Cell], Shown | None]]:
    """Show samples as counts; of pixels, which are millions, the share at their node."""
    cells = {}
    for place, (_, counts, _total) in enumerate(held):
        if unit == "samples":
            cells[place] = [(count, wording.plain(count)) for count in counts]
        else:
            shares = [count / (sum(counts) or 1) for count in counts]
            cells[place] = [(s, Shown(repr(s), f"{s * 100:.1f}\u202f%")) for s in shares]
    most = max(value for row in cells.values() for value, _ in row) or 1
    return [
        (
            name,
            [Cell(shown, round(value / most, 3)) for value, shown in cells[place] if shown],
            wording.plain(total),
        )
        for place, (name, _, total) in enumerate(held)
    ]


def _drawn(held: list[Held], classes: list[str]) -> Plot:
    holdings = [Holding(name, counts, total or 0) for name, counts, total in held]
    colours = Colours(drawing.colour("federated"), drawing.colour("muted"), drawing.colour("muted"))
    with drawing.figure(picture.height(holdings)) as (drawn, axes):
        picture.paint(axes, holdings, classes, colours)
        label = f"Share of each class and number of samples at each of {len(holdings)} nodes"
        return Plot("Node by node", drawing.to_svg(drawn, "holdings", label))


def _facts(partition: Row) -> list[Fact]:
    sizes = [size for value in items(partition.get("train_sizes")) if (size := number(value))]
    groups = [count for value in items(partition.get("groups")) if (count := number(value))]
    found: list[tuple[str, Shown | str | None]] = [
        ("samples a node, median", wording.plain(median(sizes)) if sizes else None),
        ("least and most", f"{min(sizes)} and {max(sizes)}" if sizes else ""),
        ("groups a node", f"{min(groups)} to {max(groups)}" if groups else ""),
        ("overlap", "every node has all" if partition.get("overlapping") is True else ""),
        ("heterogeneity", wording.plain(partition.get("heterogeneity"))),
        ("hash of the indices", text(partition.get("hash"))),
    ]
    return [(label, value) for label, value in found if value]


def _meaning(heterogeneity: float | int | None, unit: str) -> str:
    if heterogeneity is None:
        return ""
    said = picture.meaning(heterogeneity, unit)
    return f"Heterogeneity {heterogeneity:.3g} (0 to below 1): {said}."
