"""The plot of a call: how many times better than its peer each figure is, and its goal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.rows import Row
from benchmarks.table import figure, verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, GRID = "#1c2733", "#5b6b7b", "#e3e8ee"
COLOURS = {"ok": "#2f7fb8", "MISSED": "#d1622b", "": "#b4c0cc", "open": "#b4c0cc"}
LEGEND = (("ok", "goal reached"), ("MISSED", "goal missed"), ("", "without a goal"))
WIDTH_IN = 10.0
ROW_IN = 0.34
MARGINS_IN = 1.5
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "fedbed",  # the same figures give the same file
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": INK,
}


def write(rows: Sequence[Row], path: Path) -> Path | None:
    """Draw the rows that have a ratio as SVG (or what else the suffix says); None if none has."""
    drawn = [row for row in rows if row.ratio is not None]
    if not drawn:
        return None
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        size = (WIDTH_IN, MARGINS_IN + ROW_IN * len(drawn))
        picture = Figure(figsize=size, layout="constrained", facecolor="white")
        _draw(picture.add_subplot(), drawn)
        metadata = {"Date": None} if path.suffix == ".svg" else None
        picture.savefig(path, dpi=110, metadata=metadata)
    return path


def _draw(axes: Axes, rows: Sequence[Row]) -> None:
    for place, row in enumerate(rows):
        ratio = row.ratio or 1.0
        axes.barh(place, ratio - 1, left=1, height=0.62, color=COLOURS[verdict(row)], zorder=2)
        axes.annotate(
            f"{figure(ratio)} x",
            (max(ratio, row.ratio_at_goal or 1.0, 1.0), place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontweight="bold",
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
            zorder=3,
        )
        if row.ratio_at_goal is not None:
            axes.plot([row.ratio_at_goal] * 2, [place - 0.42, place + 0.42], lw=2, c=INK, zorder=4)
    axes.set_xscale("log")
    _limit(axes, rows)
    axes.set_yticks(range(len(rows)), [f"{row.what}\n{_beside(row)}" for row in rows])
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.axvline(1, color=MUTED, lw=1, zorder=5)
    axes.grid(axis="x", color=GRID, zorder=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("times better than the peer that ran in the same call (logarithmic)")
    _legend(axes)


def _limit(axes: Axes, rows: Sequence[Row]) -> None:
    found = [row.ratio for row in rows if row.ratio] + [1.0]
    found += [row.ratio_at_goal for row in rows if row.ratio_at_goal]
    # Room to the right for the labels of the longest bars.
    axes.set_xlim(min(found) / 1.3, max(found) * (max(found) / min(found)) ** 0.14 * 1.2)
    axes.xaxis.set_major_formatter(lambda value, _place: f"{value:g} x")
    axes.xaxis.set_minor_formatter(lambda _value, _place: "")


def _beside(row: Row) -> str:
    ours, peer = row.ours or 0.0, row.peer or 0.0
    return f"{figure(ours)} beside {figure(peer)} {row.unit} ({row.peer_name})"


def _legend(axes: Axes) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Patch(color=COLOURS[key], label=label) for key, label in LEGEND]
    handles.append(Line2D([], [], color=INK, lw=2, label="the goal"))
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=len(handles),
        frameon=False,
        fontsize=9,
    )
