"""A drawing of who holds what: a row for each node, good for three of them and for hundreds.

Each row shows the mix of the node's classes (the darker, the larger the class's share there) and
how much it has. Matplotlib is imported when drawing, and nothing touches pyplot.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np

from fedbed.errors import RequirementMissing, UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

FORMATS = (".svg", ".png", ".pdf")
LEVELS = 12
"""Shades of the heat map; a file of hundreds of nodes stays small with few."""
_BARS = 0.35
"""Width of the bars of sizes, in widths of the heat map."""
_GAP = 0.06
_NAMED = 40
"""Up to so many rows, each has its name beside it."""
_LABELLED = 20
_WIDTH = 640


class Colours(NamedTuple):
    """Of the heat map, of the bars, and of what is written."""

    heat: str
    bars: str
    muted: str


class Holding(NamedTuple):
    """What a node holds: its name, what of each class, and how many samples."""

    name: str
    counts: Sequence[float]
    samples: float


def height(holdings: Sequence[Holding]) -> float:
    """Return how high a drawing should be, in CSS pixels."""
    rows = len(holdings)
    return 70.0 + (20.0 * rows if rows <= _NAMED else max(560.0, 4.0 * rows))


def paint(
    axes: Axes, holdings: Sequence[Holding], classes: Sequence[str], colours: Colours
) -> None:
    """Draw the nodes' classes and sizes on bare axes, the first node on top."""
    rows, columns = len(holdings), max(len(classes), 1)
    for shade, boxes in _shades(holdings):
        _fill(axes, boxes, colours.heat, shade)
    left, room = columns * (1 + _GAP), columns * _BARS
    most = max((held.samples for held in holdings), default=0) or 1
    bars = [
        (left, row + 0.15, held.samples / most * room, 0.7) for row, held in enumerate(holdings)
    ]
    _fill(axes, bars, colours.bars, 1.0)
    for row, held in enumerate(holdings if rows <= _NAMED else ()):
        end = left + held.samples / most * room
        size = f" {held.samples:,.0f}".replace(",", "\u202f")
        axes.text(end, row + 0.5, size, va="center", color=colours.muted, fontsize="small")
    axes.set_xlim(0, left + room * (1.5 if rows <= _NAMED else 1.0))
    axes.set_ylim(rows, 0)
    _label(axes, holdings, classes, left + room / 2)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.tick_params(length=0, colors=colours.muted)


def save(path: Path, holdings: Sequence[Holding], classes: Sequence[str], title: str) -> None:
    """Write the drawing to a file whose ending says the format.

    Raises UsageError for an ending that isn't one of FORMATS or a file that can't be written,
    RequirementMissing without matplotlib.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"'{path}': a picture's name ends in {', '.join(FORMATS)}")
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RequirementMissing(
            "drawing needs matplotlib; install it with: pip install 'fedbed[coordinator]'"
        ) from error
    # No hash of chance and no date: the same split is the same file.
    with rc_context({"svg.hashsalt": "fedbed", "font.size": 11, "text.parse_math": False}):
        size = (_WIDTH / 72, (height(holdings) + 40) / 72)
        figure = Figure(figsize=size, dpi=72, layout="constrained")
        axes = figure.add_subplot()
        paint(axes, holdings, classes, Colours("#1f5fbf", "#8a8f98", "#444444"))
        axes.set_title(title, loc="left", fontsize="medium")
        plain = path.suffix.lower() != ".png"
        metadata: Dict[str, Any] = {"Date": None} if path.suffix.lower() == ".svg" else {}
        try:
            figure.savefig(path, dpi=72 if plain else 144, metadata=metadata)
        except OSError as error:
            raise UsageError(f"'{path}' can't be written: {error.strerror}") from error


def meaning(heterogeneity: float, unit: str) -> str:
    """Say what a figure of `fedbed.data.heterogeneity` means; unit: what was counted."""
    if heterogeneity < 0.005:
        return "every node's mix of classes is that of all the data"
    return (
        f"at an average node {heterogeneity * 100:.0f} % of the {unit} would have to be of another "
        "class for its mix to be that of all the data"
    )


def _shades(
    holdings: Sequence[Holding],
) -> Iterator[Tuple[float, List[Tuple[float, float, float, float]]]]:
    """Yield each shade (0 to 1) with the cells that have it, so that each is one shape."""
    found: Dict[int, List[Tuple[float, float, float, float]]] = {}
    gap = 0.06 if len(holdings) <= _NAMED else 0.0
    for row, held in enumerate(holdings):
        counts: NDArray[np.float64] = np.asarray(held.counts, np.float64)
        shares = counts / max(float(counts.sum()), 1.0)
        for column in np.flatnonzero(shares > 0):
            level = max(1, round(float(shares[column]) * LEVELS))
            cell = (float(column), row + gap, 1.0, 1 - 2 * gap)
            found.setdefault(level, []).append(cell)
    for level, cells in sorted(found.items()):
        yield level / LEVELS, cells


def _fill(
    axes: Axes, boxes: Sequence[Tuple[float, float, float, float]], colour: str, alpha: float
) -> None:
    from matplotlib.collections import PolyCollection

    corners = [[(x, y), (x + w, y), (x + w, y + h), (x, y + h)] for x, y, w, h in boxes]
    axes.add_collection(PolyCollection(corners, facecolors=colour, edgecolors="none", alpha=alpha))


def _label(
    axes: Axes, holdings: Sequence[Holding], classes: Sequence[str], over_bars: float
) -> None:
    step = -(-len(classes) // _LABELLED) if classes else 1
    places = [place + 0.5 for place in range(0, len(classes), step)]
    axes.xaxis.tick_top()
    axes.set_xticks([*places, over_bars], [*classes[::step], "samples"])
    if sum(map(len, classes[::step])) > 60:
        for text in axes.get_xticklabels()[:-1]:
            text.set_rotation(45)
            text.set_horizontalalignment("left")
    rows = range(len(holdings))
    if len(holdings) > _NAMED:
        rows = range(0, len(holdings), max(1, len(holdings) // 20))
    axes.set_yticks([row + 0.5 for row in rows], [_short(holdings[row].name) for row in rows])


def _short(name: str) -> str:
    plain = "".join(c if c.isprintable() else " " for c in name)
    return plain if len(plain) <= 18 else plain[:17] + "\u2026"
