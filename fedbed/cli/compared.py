"""A comparison's figures on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from fedbed.cli import readings, results
from fedbed.comparison.figures import Figures, VariantFigures, finding
from fedbed.comparison.statistics import Estimate
from fedbed.units import format_bytes, format_duration

MARK = "*"
"""Stands beside a variant with a run that something may have disturbed."""
_WIDE = 96
"""Columns from which on there is room for what it cost, too."""


def show(figures: Figures, folder: Path, console: Console) -> None:
    """Print a table for each metric, what its figures are, and where the files lie."""
    for metric in figures.metrics:
        console.print()
        console.print(_table(figures, metric, console.width))
    console.print()
    for note in notes(figures):
        console.print(note, markup=False, highlight=False)
    results.paths(folder, console)


def notes(figures: Figures) -> list[str]:
    """Say what the table's figures are, and what is missing or doubtful."""
    said = [finding(figures)]
    if any(v.against_twin for v in figures.variants):
        said.append("twin: the same model, trained centrally; minus: federated - twin, by seed")
    if any(v.federated and v.federated.half is not None for v in figures.variants):
        said.append("±: half of the 95 % interval of the mean over the seeds (Student's t)")
    few = {v.federated.n for v in figures.variants if v.federated}
    if 1 in few:
        said.append("one seed says nothing about the others: no interval")
    if few & {2, 3, 4}:
        said.append("few seeds make wide intervals; more seeds: --seeds 1,2,3,4,5")
    said += [
        f"{MARK} {variant.name}, seed {run.seed}: {'; '.join(run.reasons) or run.verdict}"
        for variant in figures.variants
        for run in variant.tainted
    ]
    said += [f"failed: {name}, seed {seed}: {why}" for name, seed, why in figures.failed]
    missing = sum(variant.missing for variant in figures.variants)
    if missing:
        said.append(f"{missing} of {figures.planned} runs are still to be done")
    return [note for note in said if note]


def _table(figures: Figures, metric: str, width: int) -> Table:
    rows = [v for v in figures.variants if v.metric == metric and (v.runs or v.failed)]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bright_black")
    unit = ", %" if readings.is_ratio(metric) else ""
    table.add_column(f"{metric.replace('_', ' ')}{unit}")
    table.add_column("seeds", justify="right", no_wrap=True)
    twins = any(row.centralised for row in rows)
    reference = any(row.against_reference for row in rows)
    heads = ["federated"] + ["twin", "minus twin"] * twins
    heads += [f"minus {figures.plan.reference}"] * reference
    cells = [_cells(row, metric, twins, reference) for row in rows]
    longest = max((len(cell) for values in cells for cell in values), default=0)
    for head in heads:
        # The figures stay in one line; a reference with a long name needn't.
        table.add_column(head, justify="right", min_width=longest)
    aims = any(row.reached is not None for row in rows)
    if aims:
        table.add_column("to target", justify="right", no_wrap=True)
    costs = width >= _WIDE
    for head in ("up", "time") * costs:
        table.add_column(head, justify="right", no_wrap=True)
    for row, values in zip(rows, cells, strict=True):
        spent = [_to_target(row)] * aims + _costs(row) * costs
        table.add_row(_name(row), str(len(row.runs)), *values, *spent)
    return table


def _to_target(row: VariantFigures) -> str:
    if row.reached is None:
        return "-"
    if row.reached < len(row.runs):
        return f"{row.reached} of {len(row.runs)}"
    return format_duration(row.costs["target_s"])


def _cells(row: VariantFigures, metric: str, twins: bool, reference: bool) -> list[str]:
    cells = [_value(row.federated, metric)]
    cells += [_value(row.centralised, metric), _value(row.against_twin, metric, "+")] * twins
    return cells + [_value(row.against_reference, metric, "+")] * reference


def _name(row: VariantFigures) -> str:
    return f"{row.name} {MARK}" if row.tainted else row.name


def _costs(row: VariantFigures) -> list[str]:
    up, wall = row.costs.get("bytes_up"), row.costs.get("wall_s")
    return [
        "-" if up is None else format_bytes(int(up)),
        "-" if wall is None else format_duration(wall),
    ]


def _value(found: Estimate | None, metric: str, sign: str = "") -> str:
    """Show a mean with half its interval; per cent and points without their units."""
    if found is None:
        return "-"
    scale, digits = (100, ".2f") if readings.is_ratio(metric) else (1, ".4g")
    shown = f"{found.mean * scale:{sign}{digits}}"
    if found.half is None:
        return shown
    half = f"{found.half * scale:{digits if scale == 100 else '.2g'}}"
    return f"{shown} ± {half}"
