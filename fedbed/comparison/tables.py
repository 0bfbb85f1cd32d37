"""The figures of a comparison as data: JSON, CSV and a LaTeX table. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from fedbed.comparison.figures import COSTS, Figures, RunFigures, VariantFigures
from fedbed.comparison.statistics import Estimate
from fedbed.reporting import wording
from fedbed.reporting.reading import writable

ESTIMATES = ("federated", "centralised", "against_twin", "against_reference")
_PARTS = ("n", "mean", "std", "low", "high")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "-": "{-}",  # two of them would become a dash
}


def data(figures: Figures, folder: str) -> dict[str, Any]:
    """Return all figures, JSON-ready: the content of comparison.json."""
    plan = figures.plan
    return {
        "id": folder,
        "name": plan.name,
        "description": plan.description,
        "reference": plan.reference or None,
        "runs_planned": figures.planned,
        "runs_done": figures.runs,
        "variants": [_variant(variant) for variant in figures.variants],
    }


def _variant(variant: VariantFigures) -> dict[str, Any]:
    return {
        "name": variant.name,
        "metric": variant.metric,
        "summary": {name: parts(getattr(variant, name)) for name in ESTIMATES},
        "costs": variant.costs,
        "runs": [_run(run) for run in variant.runs],
        "failed": [{"seed": seed, "error": why} for seed, why in variant.failed.items()],
    }


def _run(run: RunFigures) -> dict[str, Any]:
    difference = None
    if run.federated is not None and run.centralised is not None:
        difference = run.federated - run.centralised
    return {
        "seed": run.seed,
        "run": run.run,
        "federated": run.federated,
        "centralised": run.centralised,
        "against_twin": difference,
        "verdict": run.verdict,
        "reasons": list(run.reasons),
        "twin_reused_of": run.twin_reused_of or None,
        **run.costs,
    }


def parts(found: Estimate | None) -> dict[str, float | int | None]:
    """Return n, mean, sample standard deviation and the ends of the 95 % interval."""
    if found is None:
        return {"n": 0, "mean": None, "std": None, "low": None, "high": None}
    low, high = found.interval or (None, None)
    return {"n": found.n, "mean": found.mean, "std": found.std, "low": low, "high": high}


def comparison_csv(figures: Figures) -> str:
    """Return one row for each variant, with a head line.

    Columns:
        variant, metric: which, and what the figures are of.
        runs, failed, tainted: numbers of runs.
        federated_, centralised_, against_twin_, against_reference_ and n, mean, std, low, high:
            number of seeds, mean, sample standard deviation, and ends of the 95 % interval. The
            latter two are differences: the variant minus what it is compared with.
        rounds, bytes_up, bytes_down, federated_s, twin_s, wall_s: means over the runs; a twin that
            was taken over counts with what it took when it was trained.
        target_rounds, target_s: rounds and seconds of them until the target was reached, means;
            empty unless all runs reached it.
    """
    table = []
    for variant in figures.variants:
        row: dict[str, Any] = {
            "variant": variant.name,
            "metric": variant.metric,
            "runs": len(variant.runs),
            "failed": len(variant.failed),
            "tainted": len(variant.tainted),
        }
        for name in ESTIMATES:
            found = parts(getattr(variant, name))
            row |= {f"{name}_{part}": found[part] for part in _PARTS}
        table.append(row | {cost: variant.costs.get(cost) for cost in COSTS})
    return _csv(list(table[0]), table)


def metrics_csv(figures: Figures) -> str:
    """Return every metric of every round in long form, with a head line.

    Columns: variant, seed, round (from 1), side (federated or centralised), metric, value.
    """
    table = (
        {
            "variant": variant.name,
            "seed": run.seed,
            "round": index,
            "side": side,
            "metric": metric,
            "value": value,
        }
        for variant in figures.variants
        for run in variant.runs
        for side, curves in run.curves.items()
        for metric, points in curves.items()
        for index, value in points
    )
    return _csv(["variant", "seed", "round", "side", "metric", "value"], table)


def _csv(head: list[str], table: Iterable[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, head, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return writable(out.getvalue())


def latex(figures: Figures) -> str:
    """Return a table for a paper: means with 95 % intervals, one row for each variant.

    It takes the package booktabs and nothing else.
    """
    with_reference = any(variant.against_reference for variant in figures.variants)
    heads = ["Variant", "Seeds", "Federated", "Centralised", "Difference"]
    if with_reference:
        heads.append(f"Against {tex(figures.plan.reference)}")
    heads.append("MB up")
    lines = [
        f"% {_comment(figures)}",
        "% \\usepackage{booktabs}",
        f"\\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
        "  \\toprule",
        f"  {' & '.join(heads)} \\\\",
        "  \\midrule",
    ]
    for variant in figures.variants:
        cells = [tex(variant.name), str(len(variant.runs))]
        cells += [_amount(variant.federated, variant.metric, signed=False)]
        cells += [_amount(variant.centralised, variant.metric, signed=False)]
        cells += [_amount(variant.against_twin, variant.metric, signed=True)]
        if with_reference:
            cells.append(_amount(variant.against_reference, variant.metric, signed=True))
        up = variant.costs.get("bytes_up")
        cells.append("--" if up is None else f"{up / 1e6:.1f}")
        lines.append(f"  {' & '.join(cells)} \\\\")
    return writable("\n".join([*lines, "  \\bottomrule", "\\end{tabular}", ""]))


def _comment(figures: Figures) -> str:
    units = [
        f"{name} in per cent, differences in points" if wording.is_ratio(name) else name
        for name in figures.metrics
    ]
    said = f"{figures.plan.name}: {'; '.join(units)}; mean and 95 % interval (Student's t) over "
    return said + "the seeds; difference: federated minus centralised, seed by seed"


def _amount(found: Estimate | None, metric: str, *, signed: bool) -> str:
    if found is None:
        return "--"
    scale, digits = (100, ".2f") if wording.is_ratio(metric) else (1, ".4g")
    mean = f"{found.mean * scale:{'+' if signed else ''}{digits}}"
    if found.half is None:
        return f"${mean}$"
    return f"${mean} \\pm {found.half * scale:{digits}}$"


def tex(text: str) -> str:
    """Escape text for LaTeX; what can't be printed becomes a space."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return "".join(_LATEX.get(letter, letter) for letter in shown)
