"""Matplotlib figures as inline SVG that follows the page's colours, light or dark.

Colours are drawn as the placeholders below and replaced by CSS variables afterwards, so that one
drawing serves both schemes. Nothing here touches pyplot, and matplotlib is imported when drawing.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 480.0
"""Width of a figure, in CSS pixels: two stand side by side, one fills a phone."""
LINES = ("line1", "line2", "line3", "line4", "line5", "line6")
"""Colours of lines of equal rank; beyond so many, eyes can't tell them apart."""
FONT_SIZE = 12.0

_VARIABLES = (
    "ink", "muted", "grid", "paper", "federated", "centralised", "bad",
    "work", "prepare", "download", "upload", "wait", "aggregate", "evaluate", "rest",
    "line1", "line2", "line3", "line4", "line5", "line6",
)  # fmt: skip
_PLACEHOLDERS = {name: f"#a1{place:02x}c3" for place, name in enumerate(_VARIABLES)}


def colour(name: str) -> str:
    """Return the placeholder of a colour that the page's style sheet defines as `--name`."""
    return _PLACEHOLDERS[name]


class Box(NamedTuple):
    """A rectangle in the axes' own units."""

    x: float
    y: float
    width: float
    height: float


@contextmanager
def figure(height: float, width: float = WIDTH) -> Iterator[tuple[Figure, Axes]]:
    """Open a figure of that size in CSS pixels with one calm set of axes; drawn by `to_svg`."""
    import matplotlib
    from matplotlib.figure import Figure as MatplotlibFigure

    with matplotlib.rc_context(), warnings.catch_warnings():
        # Names in any script: the browser has the glyphs that measuring lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        matplotlib.rcdefaults()
        for name, value in _style():
            matplotlib.rcParams[name] = value
        # One point per CSS pixel.
        drawn = MatplotlibFigure(figsize=(width / 72, height / 72), dpi=72, layout="constrained")
        axes = drawn.add_subplot()
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(length=0)
        axes.set_axisbelow(True)
        yield drawn, axes


def _style() -> list[tuple[Any, Any]]:
    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": "fedbed",
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": FONT_SIZE,
        "text.color": colour("ink"),
        "text.parse_math": False,
        "axes.edgecolor": colour("grid"),
        "axes.labelcolor": colour("muted"),
        "axes.facecolor": "none",
        "axes.unicode_minus": True,
        "figure.facecolor": "none",
        "grid.color": colour("grid"),
        "grid.linewidth": 1,
        "xtick.color": colour("muted"),
        "ytick.color": colour("muted"),
        "lines.solid_capstyle": "round",
        "path.simplify": False,
    }
    return list(style.items())


def zoom(lines: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return a y range for where the lines end up, not for where they start.

    The first fifth of each line may fall outside when it lies so far off that the rest would be
    squeezed into less than a third of the height. A line that is alone is shown in full.
    """
    every = [value for line in lines for value in line]
    late = [value for line in lines for value in line[len(line) // 5 :]]
    low, high = min(every), max(every)
    if len(lines) > 1 and max(late) > min(late) and (max(late) - min(late)) < 0.33 * (high - low):
        reach = 0.5 * (max(late) - min(late))
        low, high = max(low, min(late) - reach), min(high, max(late) + reach)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    return low - margin, high + margin


def count_rounds(axes: Axes, first: int, last: int, room: float = 0.0) -> None:
    """Let the x axis run over rounds, in whole numbers; `room` is a share kept free right."""
    from matplotlib.ticker import MaxNLocator

    span = max(last - first, 1)
    axes.set_xlim(first - 0.03 * span, last + max(room, 0.03) * span)
    ticks = MaxNLocator(nbins=8, integer=True, min_n_ticks=1).tick_values(first, last)
    axes.set_xticks(sorted({int(tick) for tick in ticks if first <= tick <= last} | {first, last}))
    _thin_ticks(axes, span * (1 + max(room, 0.03)))
    axes.set_xlabel("round")


def _thin_ticks(axes: Axes, span: float) -> None:
    """Drop ticks that stand too close to the last one."""
    ticks = list(axes.get_xticks())
    kept = [tick for tick in ticks[1:-1] if ticks[-1] - tick >= span / 14]
    axes.set_xticks(ticks[:1] + kept + (ticks[-1:] if len(ticks) > 1 else []))


def boxes(axes: Axes, wanted: Sequence[Box], name: str, *, hollow: bool = False) -> None:
    """Draw many rectangles of one colour as a single shape."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if not wanted:
        return
    vertices: list[tuple[float, float]] = []
    codes: list[Any] = []
    for x, y, width, height in wanted:
        right, top = x + width, y + height
        vertices += [(x, y), (right, y), (right, top), (x, top), (x, y)]
        codes += [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    face, edge = ("none", colour(name)) if hollow else (colour(name), "none")
    axes.add_patch(PathPatch(Path(vertices, codes), facecolor=face, edgecolor=edge, linewidth=1.2))


def bars_axes(axes: Axes, indexes: Sequence[int], *, grid: bool = True) -> None:
    """Let the x axis run over rounds of which each has a bar."""
    first, last = min(indexes), max(indexes)
    count_rounds(axes, first, last)
    # Few rounds don't become wide walls.
    spare = max(5 - (last - first), 0) / 2
    axes.set_xlim(first - 0.6 - spare, last + 0.6 + spare)
    if grid:
        axes.grid(axis="y")


def lanes(axes: Axes, names: Sequence[str], every: int = 1) -> None:
    """Let the y axis have a row for each name, from above; `every` so many rows it stands there."""
    plain = ["".join(c if c.isprintable() else " " for c in name) for name in names]
    short = [name if len(name) <= 18 else name[:17] + "\u2026" for name in plain]
    axes.set_yticks(range(0, len(names), every), short[::every])
    axes.set_ylim(max(len(names), 3) - 0.4, -0.6)


def to_svg(drawn: Figure, prefix: str, label: str) -> str:
    """Write a figure as an `<svg>` element for an HTML page.

    Args:
        drawn: what `figure` gave.
        prefix: unique in the page; set before every id.
        label: what the figure shows, for those who can't see it.
    """
    out = io.StringIO()
    none = {"Date": None, "Creator": None, "Format": None, "Type": None}
    drawn.savefig(out, format="svg", metadata=none, transparent=True)
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    body = svg[svg.index(">") + 1 :]
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    used = set(re.findall(r"url\(#([^)]+)\)", body)) | set(re.findall(r'href="#([^"]+)"', body))
    body = re.sub(
        r' id="([^"]*)"',
        lambda found: f' id="{prefix}-{found[1]}"' if found[1] in used else "",
        body,
    )
    body = body.replace("url(#", f"url(#{prefix}-")
    body = re.sub(r'(?:xlink:)?href="#', f'href="#{prefix}-', body)
    for name, placeholder in _PLACEHOLDERS.items():
        body = body.replace(placeholder, f"var(--{name})")
    body = body.replace("'DejaVu Sans'", "var(--sans)").replace(", sans-serif", "")
    body = re.sub(r"\s*\n\s*", "\n", body)
    width, height = drawn.get_figwidth() * 72, drawn.get_figheight() * 72
    opening = f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'
    return opening + body.strip()
