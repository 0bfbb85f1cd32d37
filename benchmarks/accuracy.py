"""What a lossy codec profile costs in accuracy: the same runs with and without it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

from benchmarks.rows import Row
from fedbed.client import Client
from fedbed.errors import RunFailed
from fedbed.experiment import Experiment, dump, loads, override
from fedbed.testbed import LocalTestbed

# As in experiments/demo.yaml: the multilayer perceptron learns all of MNIST on four nodes.
EXPERIMENT = """
name: accuracy
task: mnist_mlp
data: {dataset: mnist}
federation: {nodes: 4, rounds: 10, batch_size: 16}
optimizer: {lr: 0.1, momentum: 0.5, schedule: cosine}
centralised: {enabled: false}
"""
QUICK = ("data.dataset=synthetic-digits", "data.train_samples=4000", "data.test_samples=1000")
SEEDS = (1, 2, 3, 4, 5)
QUICK_SEEDS = (1, 2, 3)
EXACT = "exact"
WAYS = {
    EXACT: ("exact", "exact"),
    "bf16": ("bf16", "exact"),
    "bf16 both ways": ("bf16", "bf16"),
    "int8": ("int8", "exact"),
    "small": ("small", "exact"),
}
"""What is compared: the profiles up and down."""
GOALS = {"bf16": 0.1, "bf16 both ways": 0.1, "int8": 0.1, "small": 0.3}
"""Percentage points of final accuracy that it may cost, on average."""


def measure(quick: bool) -> list[Row]:
    """Percentage points lost by each lossy profile, mean over the seeds.

    Quick: fewer and smaller runs, whose noise is larger than the goals; they have none.
    """
    wanted = override(loads(EXPERIMENT, "accuracy"), QUICK if quick else ())
    seeds = QUICK_SEEDS if quick else SEEDS
    with LocalTestbed(nodes=4) as testbed, Client(testbed.url) as client:
        finals = {
            what: [_final(client, override(wanted, _codec(what)), what, seed) for seed in seeds]
            for what in WAYS
        }
    return rows(finals, {} if quick else GOALS)


def rows(finals: Mapping[str, Sequence[float]], goals: Mapping[str, float]) -> list[Row]:
    """Compare each profile's final accuracies (shares, one per seed) with those of `exact`."""
    exact = finals[EXACT]
    found = []
    for what, reached in finals.items():
        if what == EXACT:
            continue
        costs = [100 * (one - other) for one, other in zip(exact, reached, strict=True)]
        found.append(
            Row(
                f"accuracy lost by {what}, mnist_mlp, {len(costs)} seeds",
                mean(costs),
                "points",
                goal=goals.get(what),
                note=f"exact {100 * mean(exact):.2f} %, here {100 * mean(reached):.2f} %; "
                f"single seeds differ by {min(costs):+.2f} to {max(costs):+.2f} "
                f"(standard deviation {stdev(costs):.2f})",
            )
        )
    return found


def _codec(what: str) -> list[str]:
    up, down = WAYS[what]
    return [f"codec.up={up}", f"codec.down={down}"]


def _final(client: Client, wanted: Experiment, what: str, seed: int) -> float:
    run_id = client.submit(name="accuracy", experiment=dump(wanted), seed=seed, twin=False)
    version = 0
    while (run := client.run(run_id))["state"] in ("queued", "running"):
        version = int(client.live(version, 5.0)["version"])
    if run["state"] != "finished":
        raise RunFailed(f"the run with {what} and seed {seed} {run['state']}: {run['error']}")
    with tempfile.TemporaryDirectory() as folder:
        client.download(run_id, Path(folder))
        result = json.loads((Path(folder) / "result.json").read_text())
    return float(result["final"]["federated"])
