"""The section on learning: curves, and every figure per round."""

from __future__ import annotations

from dataclasses import dataclass, field

from coordinator.report import curves
from coordinator.report.curves import Curve, Plot
from fedbed.reporting import wording
from fedbed.reporting.reading import (
    Row,
    count,
    extra_metrics,
    mapping,
    measured,
    number,
    rounds,
    series,
)
from fedbed.reporting.wording import Shown

_MOST_PLOTS = 8
_COSTS = ("wall_s", "overhead_s", "bytes_up", "bytes_down")


@dataclass
class Learning:
    """Curves, and a table with one line per round."""

    plots: list[Plot] = field(default_factory=list)
    twin: str = ""
    """What is to be known of the centralised twin; empty without one."""
    left_out: str = ""
    """Metrics beyond the most that are drawn."""
    heads: list[str] = field(default_factory=list)
    lines: list[list[Shown | str]] = field(default_factory=list)


def build(result: Row) -> Learning:
    """Draw a plot per metric that has values: the run's own metric first, then losses, others."""
    history, twin = rounds(result), rounds(result, "twin")
    main = wording.metric_of(result)
    names = list(dict.fromkeys([main, "accuracy", "loss", "train_loss"]))
    names += extra_metrics(history, names)
    found = []
    for place, name in enumerate(names):
        pair = [Curve("federated", series(history, name)), Curve("centralised", series(twin, name))]
        if any(curve.points for curve in pair):
            found.append((f"curve{place}", name, pair))
    plots = [curves.draw(name, pair, prefix) for prefix, name, pair in found[:_MOST_PLOTS]]
    rest = [name for _, name, _ in found[_MOST_PLOTS:]]
    heads, lines = _table(history, twin, [name for _, name, _ in found])
    return Learning(
        plots=[plot for plot in plots if plot],
        twin=_about_twin(result) if any(pair[1].points for _, _, pair in found) else "",
        left_out=f"Not drawn, but in metrics.csv: {', '.join(rest)}." if rest else "",
        heads=heads,
        lines=lines,
    )


def _about_twin(result: Row) -> str:
    about = (
        "Centralised is the twin: the same model, trained on one machine that holds the data of "
        "all nodes."
    )
    own = mapping(result.get("twin_own"))
    if own:
        told = " and ".join(f"{name} {value}" for name, value in own.items())
        about += f" It learns in a way of its own: with {told}."
    return about


def _table(
    history: list[tuple[int, Row]], twin: list[tuple[int, Row]], names: list[str]
) -> tuple[list[str], list[list[Shown | str]]]:
    names = names[:_MOST_PLOTS]
    mine, theirs = dict(history), dict(twin)
    columns: list[tuple[str, dict[int, Shown | str]]] = []
    for name in names:
        for side, table in (("federated", mine), ("centralised", theirs)):
            cells = {i: wording.score(measured(row, name), name) for i, row in table.items()}
            columns.append((f"{wording.metric_name(name)}, {side}", _kept(cells)))
    columns.append(("nodes", {i: text for i, row in history if (text := _share(row))}))
    stale = {i: number(row.get("staleness")) for i, row in history}
    columns.append(("staleness", {i: f"{mean:g}" for i, mean in stale.items() if mean is not None}))
    for cost in _COSTS:
        show = wording.seconds if cost.endswith("_s") else wording.size
        cells = {i: show(number(row.get(cost))) for i, row in history}
        columns.append((cost.removesuffix("_s").replace("_", " "), _kept(cells)))
    columns = [column for column in columns if column[1]]
    lines: list[list[Shown | str]] = [
        [str(i), *(cells.get(i, "") for _, cells in columns)] for i in sorted({*mine, *theirs})
    ]
    return (["round", *(head for head, _ in columns)], lines) if columns else ([], [])


def _kept(cells: dict[int, Shown | None]) -> dict[int, Shown | str]:
    return {index: cell for index, cell in cells.items() if cell}


def _share(row: Row) -> str:
    there, asked = count(row.get("participants")), count(row.get("asked"))
    if there is None:
        return ""
    if asked is not None and asked != there:
        return f"{there} of {asked}"
    return str(there)
