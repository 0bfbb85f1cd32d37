"""How strategies stand up to nodes that turn their updates round: docs/robustness.md is written
from it.

    python -m benchmarks.poisoned            # about six minutes on two cores
    python -m benchmarks.poisoned --quick    # two strategies, three rounds; changes no page

Each strategy runs with and without adversaries, with every seed of experiments/poisoned.yaml.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from benchmarks import results
from benchmarks.curves import Line, write
from fedbed.client import Client
from fedbed.errors import FedbedError, RunFailed
from fedbed.experiment import Experiment, dump, load, override
from fedbed.testbed import LocalTestbed

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENT = ROOT / "experiments" / "poisoned.yaml"
PAGE = ROOT / "docs" / "robustness.md"
PICTURE = ROOT / "docs" / "images" / "robustness.svg"
FIGURES = "poisoned.json"
BEGIN, END = "<!-- figures: python -m benchmarks.poisoned -->", "<!-- end of the figures -->"
STRATEGIES: Mapping[str, Mapping[str, object]] = {
    "FedAvg": {},
    "FedTrimmedAvg": {"beta": 0.25},
    "FedMedian": {},
    "Krum": {"num_malicious_nodes": 2},
    "MultiKrum": {"num_malicious_nodes": 2, "num_nodes_to_select": 6},
}
"""Each with the arguments that fit two bad nodes of eight."""
QUICK = ("federation.rounds=3", "data.train_samples=2000", "data.dataset=synthetic-digits")


@dataclass(frozen=True)
class Course:
    """One run: accuracy before the first round and after each, and the seconds that the
    coordinator took for a round's aggregation (median)."""

    strategy: str
    adversaries: bool
    seed: int
    accuracy: list[float]
    aggregate_s: float


def measure(quick: bool) -> list[Course]:
    """Run them all, one after another, on a coordinator and nodes of its own."""
    wanted = override(load(EXPERIMENT), QUICK if quick else ())
    names = list(STRATEGIES)[:3:2] if quick else list(STRATEGIES)
    found = []
    with LocalTestbed(nodes=wanted.federation.nodes) as testbed, Client(testbed.url) as client:
        for strategy in names:
            for adversaries in (True, False):
                for seed in wanted.seeds:
                    course = _course(client, wanted, strategy, adversaries, seed)
                    found.append(course)
                    sys.stderr.write(f"{title(strategy, adversaries)}, seed {seed}: ")
                    sys.stderr.write(f"{course.accuracy[-1]:.2%}\n")
    return found


def title(strategy: str, adversaries: bool) -> str:
    """Name a strategy's runs."""
    return strategy if adversaries else f"{strategy}, all honest"


def table(courses: Sequence[Course]) -> list[str]:
    """Return final accuracies with and without adversaries as lines of Markdown."""
    lines = [
        "| strategy | under attack | all honest | costs without attackers | aggregation |",
        "|---|---:|---:|---:|---:|",
    ]
    best = mean(_finals(courses, "FedAvg", False))
    for strategy in dict.fromkeys(course.strategy for course in courses):
        bad, good = (_finals(courses, strategy, adversaries) for adversaries in (True, False))
        times = [1000 * c.aggregate_s for c in courses if c.strategy == strategy]
        lines.append(
            f"| {strategy} | {_shown(bad)} | {_shown(good)} | "
            f"{_points(best - mean(good))} | {median(times):.1f} ms |"
        )
    return lines


def lines(courses: Sequence[Course]) -> list[Line]:
    """Return what is drawn: each strategy under attack, and FedAvg without one."""
    found = []
    for strategy in dict.fromkeys(course.strategy for course in courses):
        for adversaries in (True, False) if strategy == "FedAvg" else (True,):
            runs = [
                course.accuracy
                for course in courses
                if (course.strategy, course.adversaries) == (strategy, adversaries)
            ]
            means = [mean(values) for values in zip(*runs, strict=True)]
            found.append(Line(title(strategy, adversaries), means, runs, dashed=not adversaries))
    return found


def publish(courses: Sequence[Course], page: Path) -> None:
    """Put the table into the page, between its marks."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    body = "\n".join(table(courses))
    page.write_text(f"{before}{BEGIN}\n{body}\n{END}{after}", encoding="utf-8")


def _course(
    client: Client, wanted: Experiment, strategy: str, adversaries: bool, seed: int
) -> Course:
    spec = json.dumps({"name": strategy, "args": STRATEGIES[strategy]})
    settings = [f"federation.strategy={spec}"] + ([] if adversaries else ["adversaries.nodes=0"])
    text = dump(override(wanted, settings))
    run_id = client.submit(name=wanted.name, experiment=text, seed=seed, twin=False)
    version = 0
    while (run := client.run(run_id))["state"] in ("queued", "running"):
        version = int(client.live(version, 5.0)["version"])
    if run["state"] != "finished":
        raise RunFailed(f"{strategy}, seed {seed}: {run['state']}: {run['error']}")
    with tempfile.TemporaryDirectory() as folder:
        client.download(run_id, Path(folder))
        result = json.loads((Path(folder) / "result.json").read_text())
    history = result["history"]
    accuracy = [result["initial"]["accuracy"], *(entry["accuracy"] for entry in history)]
    aggregate_s = median(entry["aggregate_s"] for entry in history)
    return Course(strategy, adversaries, seed, accuracy, aggregate_s)


def _finals(courses: Sequence[Course], strategy: str, adversaries: bool) -> list[float]:
    return [
        course.accuracy[-1]
        for course in courses
        if (course.strategy, course.adversaries) == (strategy, adversaries)
    ]


def _points(difference: float) -> str:
    # Rounded to 0, it has no sign.
    return f"{round(100 * difference, 2) + 0.0:.2f} points"


def _shown(finals: Sequence[float]) -> str:
    each = ", ".join(f"{100 * final:.2f}" for final in finals)
    return f"{100 * mean(finals):.2f} % ({each})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the figures, draw them and bring the page up to date."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.poisoned", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="see that it works; changes no page")
    parser.add_argument(
        "--output", type=Path, default=results.FOLDER, help="folder for the figures"
    )
    args = parser.parse_args(arguments)
    try:
        courses = measure(args.quick)
    except FedbedError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    args.output.mkdir(parents=True, exist_ok=True)
    figures = json.dumps([vars(course) for course in courses], indent=1) + "\n"
    (args.output / ("quick-" * args.quick + FIGURES)).write_text(figures, encoding="utf-8")
    if args.quick:
        write(lines(courses), args.output / "quick-poisoned.svg")
    else:
        write(lines(courses), PICTURE)
        publish(courses, PAGE)
    print("\n".join(table(courses)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
