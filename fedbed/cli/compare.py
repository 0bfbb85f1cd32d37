"""`fedbed compare`: experiments over all their seeds, federated against centralised."""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fedbed.cli import readings, results, targets
from fedbed.cli.connection import connect_if_named
from fedbed.cli.session import Outcome, session
from fedbed.errors import ExperimentError
from fedbed.experiment import Experiment

FIGURES = ("federated", "centralised", "gap")


@dataclass(frozen=True)
class Line:
    """One seed of one experiment; None for a figure that the run doesn't have."""

    experiment: str
    seed: int
    metric: str
    federated: float | None
    centralised: float | None
    gap: float | None
    verdict: str
    run: str


def compare(args: argparse.Namespace) -> int:
    """Run all seeds of all experiments, with twins; returns the exit code.

    When a run fails or Ctrl-C is pressed, the comparison of those before it is still written.
    """
    stream = sys.stderr if args.json else sys.stdout

    def say(text: str) -> None:
        stream.write(text + "\n")
        stream.flush()

    wanted = [targets.load_experiment(p, args.assignments, args.nodes) for p in args.experiments]
    _refuse_same_names(wanted)
    if args.coordinator is None:
        wanted = [targets.with_data(one, say) for one in wanted]
    nodes = max(one.federation.real_nodes for one in wanted)
    folder = args.output / f"{time.strftime('%Y%m%d-%H%M%S')}-compare-{wanted[0].name}"
    lines: list[Line] = []
    try:
        with session(connect_if_named(args), nodes, args.output, args.plain, stream) as here:
            for one in wanted:
                for seed in one.seeds:
                    say(f"{one.name}, seed {seed}")
                    outcome = here.run(targets.of_experiment(one, seed, twin=True))
                    lines.append(line_of(one.name, seed, outcome))
    finally:
        if lines:
            write(lines, folder)
    if args.json:
        print(json.dumps(report(lines, folder.name), indent=2))
    else:
        console = Console()
        _show(lines, console)
        results.paths(folder, console)
    return 0


def line_of(name: str, seed: int, outcome: Outcome) -> Line:
    """Take a run's figures."""
    metric, *figures = results.figures(outcome.result)
    verdict = readings.mapping(outcome.result.get("verdict")).get("status", "")
    federated, centralised, gap = (readings.number(figure) for figure in figures)
    run = str(outcome.run["id"])
    return Line(name, seed, metric, federated, centralised, gap, str(verdict), run)


def report(lines: Sequence[Line], name: str) -> dict[str, Any]:
    """Return all figures with mean and sample standard deviation by experiment, JSON-ready."""
    return {
        "id": name,
        "experiments": [
            {
                "name": experiment,
                "metric": group[0].metric,
                "runs": [asdict(line) for line in group],
                "summary": {figure: spread(_values(group, figure)) for figure in FIGURES},
            }
            for experiment, group in _grouped(lines)
        ],
    }


def spread(values: Sequence[float]) -> dict[str, float | int | None]:
    """Return n, mean and sample standard deviation; None where there are too few values."""
    return {
        "n": len(values),
        "mean": statistics.fmean(values) if values else None,
        "std": statistics.stdev(values) if len(values) > 1 else None,
    }


def write(lines: Sequence[Line], folder: Path) -> None:
    """Write comparison.json and comparison.csv; `latest` stays with the newest run."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report(lines, folder.name), indent=2) + "\n"
    (folder / "comparison.json").write_text(text, encoding="utf-8")
    with (folder / "comparison.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(Line.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(line) for line in lines)


def _show(lines: Sequence[Line], console: Console) -> None:
    for experiment, group in _grouped(lines):
        metric = group[0].metric
        table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="bright_black")
        table.add_column(f"{experiment}, {metric}", no_wrap=True)
        for figure in FIGURES:
            table.add_column(figure, justify="right", no_wrap=True)
        for line in group:
            table.add_row(
                f"seed {line.seed}",
                readings.score(line.federated, metric),
                readings.score(line.centralised, metric),
                readings.difference(line.gap, metric),
            )
        if len(group) > 1:
            table.add_row("mean", *(_mean(group, figure, metric) for figure in FIGURES))
        console.print()
        console.print(table)
    console.print(f"\ngap: {results.GAP}", highlight=False)
    if any(len(group) > 1 for _, group in _grouped(lines)):
        console.print("±: sample standard deviation over the seeds", highlight=False)
    console.print()


def _mean(group: Sequence[Line], figure: str, metric: str) -> str:
    found = spread(_values(group, figure))
    show = readings.difference if figure == "gap" else readings.score
    if found["mean"] is None or found["std"] is None:
        return show(found["mean"], metric)
    return f"{show(found['mean'], metric)} ± {_amount(found['std'], metric)}"


def _amount(value: float, metric: str) -> str:
    return f"{value * 100:.2f}" if readings.is_ratio(metric) else f"{value:.2g}"


def _values(group: Iterable[Line], figure: str) -> list[float]:
    return [value for line in group if (value := getattr(line, figure)) is not None]


def _grouped(lines: Iterable[Line]) -> list[tuple[str, list[Line]]]:
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(line.experiment, []).append(line)
    return list(groups.items())


def _refuse_same_names(wanted: Sequence[Experiment]) -> None:
    names = [one.name for one in wanted]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ExperimentError(
            f"two of these experiments are named '{twice[0]}': give each its own `name`"
        )
