"""The page: what was compared, what came of it, how sure that is, and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import quote

from jinja2 import Template

from fedbed.comparison.figures import Figures, VariantFigures, finding
from fedbed.comparison.report import curves, dots
from fedbed.comparison.report.curves import Plot
from fedbed.comparison.statistics import Estimate
from fedbed.reporting import pages, wording
from fedbed.reporting.reading import writable
from fedbed.reporting.wording import Shown

Cell = Shown | str
_MEANINGS = {
    "accuracy": "the share of the test samples that the model classifies right",
    "mean_iou": "the mean over the classes of intersection over union, over all test pixels",
    "loss": "the mean loss over the test samples",
}


@dataclass
class Part:
    """All about the variants that are judged by one metric."""

    metric: str
    title: str
    """The metric's name at the beginning of a sentence."""
    meaning: str
    finals: Plot
    differences: list[Plot]
    heads: list[str]
    lines: list[list[Cell]]
    overview: Plot | None
    panels: list[Plot]


@dataclass
class Line:
    """One run in the list of runs."""

    variant: str
    seed: int
    figures: list[Cell]
    verdict: str
    reasons: str
    run: str
    address: str


@dataclass
class Page:
    """What the template shows."""

    title: str
    description: str
    badge: tuple[str, str]
    facts: list[tuple[str, Cell]]
    finding: str
    parts: list[Part] = field(default_factory=list)
    costs: tuple[list[str], list[list[Cell]]] = field(default_factory=lambda: ([], []))
    runs: list[Line] = field(default_factory=list)
    failed: list[tuple[str, int, str]] = field(default_factory=list)
    missing: int = 0
    software: list[str] = field(default_factory=list)
    text: str = ""
    download: str = ""


def render(figures: Figures) -> str:
    """Return the report as HTML, self-contained and the same for the same figures.

    Links lead to the runs' own reports in the folder `runs` beside it.
    """
    plan = figures.plan
    page = Page(
        title=plan.name,
        description=plan.description,
        badge=_badge(figures),
        facts=_facts(figures),
        finding=finding(figures),
        parts=[_part(figures, metric, f"m{n}") for n, metric in enumerate(figures.metrics)],
        costs=_costs(figures),
        runs=_runs(figures),
        failed=figures.failed,
        missing=sum(variant.missing for variant in figures.variants),
        software=sorted({run.software for v in figures.variants for run in v.runs if run.software}),
        text=plan.text,
        download="data:text/yaml;charset=utf-8," + quote(plan.text, errors="replace")
        if plan.text
        else "",
    )
    return writable(_template().render(page=page))


@cache
def _template() -> Template:
    return pages.template("fedbed.comparison.report")


def _badge(figures: Figures) -> tuple[str, str]:
    if figures.failed:
        return "warn", f"{len(figures.failed)} failed"
    if figures.runs < figures.planned:
        return "warn", f"{figures.runs} of {figures.planned} runs"
    tainted = sum(len(variant.tainted) for variant in figures.variants)
    return ("warn", f"{tainted} tainted") if tainted else ("good", "clean")


def _facts(figures: Figures) -> list[tuple[str, Cell]]:
    plan = figures.plan
    seeds = sorted({seed for variant in plan.variants for seed in variant.seeds})
    tasks = dict.fromkeys(str(_task(v.experiment)) for v in plan.variants)
    sets = dict.fromkeys(variant.experiment.data.dataset for variant in plan.variants)
    wall = sum(run.costs.get("wall_s", 0.0) for v in figures.variants for run in v.runs)
    found: list[tuple[str, Cell | None]] = [
        ("task", ", ".join(tasks)),
        ("data set", ", ".join(sets)),
        ("variants", str(len(plan.variants))),
        ("seeds", ", ".join(map(str, seeds)) if len(seeds) <= 10 else str(len(seeds))),
        ("runs", f"{figures.runs} of {figures.planned}"),
        ("reference", plan.reference),
        ("time of all runs", wording.seconds(wall)),
    ]
    return [(label, value) for label, value in found if value]


def _task(experiment: object) -> object:
    task = getattr(experiment, "task", "")
    return getattr(task, "name", task)


def _part(figures: Figures, metric: str, prefix: str) -> Part:
    variants = [v for v in figures.variants if v.metric == metric and v.runs]
    found = [dots.differences(variants, metric, f"{prefix}twin", "twin")]
    if figures.plan.reference:
        found.append(dots.differences(variants, metric, f"{prefix}ref", figures.plan.reference))
    heads, lines = _table(variants, metric, figures.plan.reference)
    overview = curves.overview(figures, metric, f"{prefix}all")
    several = len(variants) > 1
    return Part(
        metric=wording.metric_name(metric),
        title=wording.metric_title(metric),
        meaning=_MEANINGS.get(metric, ""),
        finals=dots.finals(variants, metric, f"{prefix}final"),
        differences=[plot for plot in found if plot],
        heads=heads,
        lines=lines,
        overview=overview,
        panels=curves.panels(figures, metric, f"{prefix}panel") if several or not overview else [],
    )


def _table(
    variants: Sequence[VariantFigures], metric: str, reference: str
) -> tuple[list[str], list[list[Cell]]]:
    columns: list[tuple[str, Callable[[VariantFigures], list[Cell]]]] = [
        ("variant", lambda v: [f"{v.name} *" if v.tainted else v.name]),
        ("seeds", lambda v: [str(len(v.runs))]),
    ]
    for head, key, show in (
        ("federated", "federated", wording.score),
        ("centralised", "centralised", wording.score),
        ("federated \u2212 centralised", "against_twin", wording.points),
        (f"minus {reference}", "against_reference", wording.points),
    ):
        if any(getattr(v, key) for v in variants):
            columns.append((head, _pair(key, show, metric)))
            columns.append(("95 % interval", _interval(key, metric)))
    heads = [head for head, _ in columns]
    return heads, [[cell for _, of in columns for cell in of(v)] for v in variants]


def _pair(
    key: str, show: Callable[[object, str], Shown | None], metric: str
) -> Callable[[VariantFigures], list[Cell]]:
    def cells(variant: VariantFigures) -> list[Cell]:
        found: Estimate | None = getattr(variant, key)
        return [(show(found.mean, metric) if found else None) or ""]

    return cells


def _interval(key: str, metric: str) -> Callable[[VariantFigures], list[Cell]]:
    def cells(variant: VariantFigures) -> list[Cell]:
        found: Estimate | None = getattr(variant, key)
        if found is None or found.half is None:
            return ["one seed: none" if found else ""]
        ratio = wording.is_ratio(metric)
        shown = f"{found.half * 100:.2f}" if ratio else f"{found.half:.2g}"
        return [Shown(repr(found.half), f"\u00b1 {shown}")]

    return cells


def _costs(figures: Figures) -> tuple[list[str], list[list[Cell]]]:
    heads = ["variant", "rounds", "bytes up", "bytes down", "federated rounds", "twin", "whole run"]
    aims = any(variant.reached is not None for variant in figures.variants)
    heads += ["rounds to the target", "time to the target"] * aims
    lines: list[list[Cell]] = []
    for variant in figures.variants:
        if not variant.runs:
            continue
        costs = variant.costs
        reused = sum(bool(run.twin_reused_of) for run in variant.runs)
        twin = wording.seconds(costs.get("twin_s"))
        twin_cell: Cell = twin or ""
        if twin and reused:
            twin_cell = Shown(
                twin.value, f"{twin.text}, {reused} of {len(variant.runs)} taken over"
            )
        lines.append(
            [
                variant.name,
                wording.plain(costs.get("rounds")) or "",
                wording.size(costs.get("bytes_up")) or "",
                wording.size(costs.get("bytes_down")) or "",
                wording.seconds(costs.get("federated_s")) or "",
                twin_cell,
                wording.seconds(costs.get("wall_s")) or "",
                *_to_target(variant) * aims,
            ]
        )
    return heads, lines


def _to_target(variant: VariantFigures) -> list[Cell]:
    """Rounds and seconds until the target was reached, or in how many runs it was."""
    if variant.reached is None:
        return ["", ""]
    if variant.reached < len(variant.runs):
        return [f"reached in {variant.reached} of {len(variant.runs)}", ""]
    costs = variant.costs
    return [
        wording.plain(round(costs["target_rounds"], 2)) or "",
        wording.seconds(costs["target_s"]) or "",
    ]


def _runs(figures: Figures) -> list[Line]:
    found = []
    for variant in figures.variants:
        for run in variant.runs:
            difference = None
            if run.federated is not None and run.centralised is not None:
                difference = run.federated - run.centralised
            found.append(
                Line(
                    variant.name,
                    run.seed,
                    [
                        wording.score(run.federated, run.metric) or "",
                        wording.score(run.centralised, run.metric) or "",
                        wording.points(difference, run.metric) or "",
                    ],
                    run.verdict,
                    "; ".join(run.reasons),
                    run.run,
                    f"runs/{quote(run.run, safe='')}/report.html",
                )
            )
    return found
