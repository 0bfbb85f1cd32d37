"""Accuracy by round, a line for each of a few runs; and those that end high once more, enlarged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.plot import GRID, INK, MUTED, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#c2410c", "#5b6b7b", "#1d5fbf", "#15803d", "#7a3fb0", "#a16207")
MARKS = ("o", "s", "^", "D", "v", "P")
NEAR = 0.1
"""Lines that end within this of the highest are drawn enlarged as well."""


@dataclass(frozen=True)
class Line:
    """Shares by round from round 0: their mean over the seeds, and those of each seed."""

    title: str
    means: list[float]
    runs: list[list[float]]
    dashed: bool = False


def write(lines: Sequence[Line], path: Path) -> None:
    """Draw the lines as SVG, or what else the suffix says: means, with the spread behind them."""
    import matplotlib
    from matplotlib.figure import Figure

    best = max(line.means[-1] for line in lines)
    high = [line for line in lines if line.means[-1] >= best - NEAR]
    with matplotlib.rc_context(STYLE):
        picture = Figure(figsize=(10, 4.8), layout="constrained", facecolor="white")
        whole, near = picture.subplots(1, 2)
        _draw(whole, lines, lines, begin=0)
        whole.set_ylim(0, 100)
        whole.set_ylabel("accuracy on the test set, %", color=INK)
        _draw(near, high, lines, begin=1)
        near.set_title("the upper lines, enlarged", fontsize=9.5, color=MUTED)
        handles, labels = whole.get_legend_handles_labels()
        picture.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        metadata = {"Date": None} if path.suffix == ".svg" else None
        picture.savefig(path, dpi=110, metadata=metadata)


def _draw(axes: Axes, drawn: Sequence[Line], lines: Sequence[Line], begin: int) -> None:
    """Draw some of the lines; each looks as in all other drawings of `lines`."""
    for line in drawn:
        place = lines.index(line)
        rounds = range(begin, len(line.means))
        spread = [[100 * run[number] for run in line.runs] for number in rounds]
        colour = COLOURS[place % len(COLOURS)]
        low, high = list(map(min, spread)), list(map(max, spread))
        axes.fill_between(rounds, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(
            rounds,
            [100 * value for value in line.means[begin:]],
            color=colour,
            marker=MARKS[place % len(MARKS)],
            markersize=4.5,
            linestyle="--" if line.dashed else "-",
            label=f"{line.title}: {100 * line.means[-1]:.1f} %",
        )
    axes.set_xlabel("round")
    last = max(len(line.means) for line in lines) - 1
    axes.set_xticks(range(begin, last + 1, math.ceil(last / 8)))
    axes.grid(color=GRID)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=MUTED)
