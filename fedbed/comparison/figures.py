"""The figures of a comparison, out of the results of its runs. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fedbed.comparison.plan import Cell, Plan, Variant
from fedbed.comparison.statistics import Estimate, estimate, paired
from fedbed.reporting import wording
from fedbed.reporting.reading import (
    Points,
    Row,
    extra_metrics,
    items,
    mapping,
    number,
    rounds,
    series,
    text,
)

FEDERATED, CENTRALISED = "federated", "centralised"
_SIDES = {FEDERATED: "history", CENTRALISED: "twin"}
_COMMON = ("loss", "train_loss")
_MEASURED = ("rounds", "bytes_up", "bytes_down", "federated_s", "twin_s", "wall_s")
_TO_TARGET = {"target_rounds": "crossing", "target_s": "seconds"}
"""Costs until the run's target was reached, by the result's names for them."""
COSTS = (*_MEASURED, *_TO_TARGET)


@dataclass(frozen=True)
class RunFigures:
    """What one run ended with. Figures that it doesn't have are None."""

    seed: int
    run: str
    metric: str
    federated: float | None
    centralised: float | None
    curves: dict[str, dict[str, Points]]
    """By side (`federated`, `centralised`) and metric."""
    costs: dict[str, float]
    target: float | None
    """What the run was to reach, if it was; it did where it has the costs of that."""
    verdict: str
    reasons: tuple[str, ...]
    twin_reused_of: str
    software: str
    """Versions and commit, in a line."""


@dataclass(frozen=True)
class VariantFigures:
    """One variant over its seeds; estimates are None where no run has the figure."""

    name: str
    metric: str
    planned: int
    runs: tuple[RunFigures, ...]
    failed: dict[int, str]
    """Why, by seed."""
    federated: Estimate | None
    centralised: Estimate | None
    against_twin: Estimate | None
    """Of federated minus centralised, seed by seed."""
    against_reference: Estimate | None
    """Of this variant minus the reference, seed by seed; None for the reference itself."""
    costs: dict[str, float] = field(default_factory=dict)
    """Means over the runs."""

    @property
    def tainted(self) -> tuple[RunFigures, ...]:
        """Runs that something may have disturbed."""
        return tuple(run for run in self.runs if run.verdict != "clean")

    @property
    def reached(self) -> int | None:
        """Number of runs that reached their target; None where they have none."""
        with_target = [run for run in self.runs if run.target is not None]
        return sum("target_s" in run.costs for run in with_target) if with_target else None

    @property
    def missing(self) -> int:
        """Number of seeds that have neither a result nor a failure yet."""
        return self.planned - len(self.runs) - len(self.failed)


@dataclass(frozen=True)
class Figures:
    """A whole comparison."""

    plan: Plan
    variants: tuple[VariantFigures, ...]

    @property
    def runs(self) -> int:
        """Number of runs that are done."""
        return sum(len(variant.runs) for variant in self.variants)

    @property
    def planned(self) -> int:
        """Number of runs that it takes."""
        return sum(variant.planned for variant in self.variants)

    @property
    def failed(self) -> list[tuple[str, int, str]]:
        """Variant, seed and reason of each run that failed."""
        return [(v.name, seed, why) for v in self.variants for seed, why in v.failed.items()]

    @property
    def metrics(self) -> list[str]:
        """The metrics that variants are judged by, each once."""
        return list(dict.fromkeys(variant.metric for variant in self.variants if variant.runs))


@dataclass(frozen=True)
class Outcome:
    """What there is of a cell: a result, or why there is none; neither before it was tried."""

    cell: Cell
    result: Row
    error: str = ""


def build(plan: Plan, outcomes: Iterable[Outcome]) -> Figures:
    """Gather the figures of a plan."""
    by_variant: dict[str, list[Outcome]] = {variant.name: [] for variant in plan.variants}
    for outcome in outcomes:
        by_variant[outcome.cell.variant.name].append(outcome)
    runs = {
        name: tuple(_run(found) for found in sorted(held, key=_seed) if found.result)
        for name, held in by_variant.items()
    }
    reference = runs.get(plan.reference, ())
    return Figures(
        plan,
        tuple(
            _variant(variant, runs[variant.name], by_variant[variant.name], plan, reference)
            for variant in plan.variants
        ),
    )


def _seed(outcome: Outcome) -> int:
    return outcome.cell.seed


def _variant(
    variant: Variant,
    runs: tuple[RunFigures, ...],
    outcomes: Sequence[Outcome],
    plan: Plan,
    reference: tuple[RunFigures, ...],
) -> VariantFigures:
    metric = runs[0].metric if runs else "accuracy"
    mine, twins = _finals(runs, FEDERATED), _finals(runs, CENTRALISED)
    others = _finals(reference, FEDERATED)
    comparable = variant.name != plan.reference and bool(reference)
    comparable = comparable and reference[0].metric == metric
    return VariantFigures(
        name=variant.name,
        metric=metric,
        planned=len(variant.seeds),
        runs=runs,
        failed={found.cell.seed: found.error for found in outcomes if found.error},
        federated=estimate(list(mine.values())),
        centralised=estimate(list(twins.values())),
        against_twin=paired(mine, twins),
        against_reference=paired(mine, others) if comparable else None,
        costs={
            cost: statistics.fmean(run.costs[cost] for run in runs)
            for cost in COSTS
            if runs and all(cost in run.costs for run in runs)
        },
    )


def _finals(runs: Iterable[RunFigures], side: str) -> dict[int, float]:
    """Return the final figure of each seed that has one."""
    found = {run.seed: getattr(run, side) for run in runs}
    return {seed: value for seed, value in found.items() if value is not None}


def _run(outcome: Outcome) -> RunFigures:
    result = outcome.result
    final = mapping(result.get("final"))
    verdict = mapping(result.get("verdict"))
    metric = wording.metric_of(result)
    costs = {cost: number(result.get(cost)) for cost in _MEASURED}
    target = mapping(result.get("target"))
    costs |= {cost: number(target.get(name)) for cost, name in _TO_TARGET.items()}
    return RunFigures(
        seed=outcome.cell.seed,
        run=text(result.get("id")),
        metric=metric,
        federated=_number(final.get(FEDERATED)),
        centralised=_number(final.get(CENTRALISED)),
        curves={side: _curves(result, part, metric) for side, part in _SIDES.items()},
        costs={cost: float(value) for cost, value in costs.items() if value is not None},
        target=_number(target.get("value")),
        verdict=text(verdict.get("status")) or "unknown",
        reasons=tuple(reason for reason in map(text, items(verdict.get("reasons"))) if reason),
        twin_reused_of=text(result.get("twin_reused_of")),
        software=_software(result),
    )


def _number(value: object) -> float | None:
    found = number(value)
    return None if found is None else float(found)


def _curves(result: Row, part: str, metric: str) -> dict[str, Points]:
    history = rounds(result, part)
    names = list(dict.fromkeys((metric, *_COMMON)))
    names += extra_metrics(history, names)
    found = {name: series(history, name) for name in names}
    return {name: points for name, points in found.items() if points}


def _software(result: Row) -> str:
    versions = mapping(result.get("versions"))
    words = [f"{name} {version}" for name, version in versions.items()]
    commit = text(result.get("commit"))
    return ", ".join([*words, f"commit {commit}"] if commit else words)


@dataclass(frozen=True)
class Band:
    """A curve over seeds: rounds, the mean, and the lowest and highest seed at each."""

    rounds: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]


def band(runs: Iterable[RunFigures], side: str, metric: str) -> Band | None:
    """Return the mean curve of a metric over the rounds that every run has; None without any."""
    curves = [dict(points) for run in runs if (points := run.curves[side].get(metric))]
    if not curves:
        return None
    common = sorted(set.intersection(*(set(curve) for curve in curves)))
    if not common:
        return None
    columns = [[curve[index] for curve in curves] for index in common]
    return Band(
        common,
        [statistics.fmean(column) for column in columns],
        [min(column) for column in columns],
        [max(column) for column in columns],
    )


def finding(figures: Figures) -> str:
    """Say in a sentence how variants stand beside their twins, as far as the intervals tell."""
    ahead, behind, level = 0, 0, 0
    judged = [v for v in figures.variants if v.against_twin and v.against_twin.half is not None]
    for variant in judged:
        assert variant.against_twin is not None
        if not variant.against_twin.excludes_zero:
            level += 1
        elif (variant.against_twin.mean > 0) != wording.low_is_good(variant.metric):
            ahead += 1
        else:
            behind += 1
    if not judged:
        return ""
    said = [
        f"{count} {words}"
        for count, words in (
            (behind, "end behind" if behind > 1 else "ends behind"),
            (ahead, "end ahead" if ahead > 1 else "ends ahead"),
            (level, "can't be told apart"),
        )
        if count
    ]
    noun = "variant" if len(judged) == 1 else "variants"
    return (
        f"{len(judged)} {noun} against the centralised twin: {', '.join(said)} "
        "(95 % intervals of the differences, seed by seed)."
    )
