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
GOALS = {"bf16": 0.1, "int8": 0.1, "small": 0.3}
"""Percentage points of final accuracy that a profile may cost, on average."""


def measure(quick: bool) -> list[Row]:
    """Percentage points lost by each lossy profile on the way up, mean over the seeds.

    Quick: fewer and smaller runs, whose noise is larger than the goals; they have none.
    """
    wanted = override(loads(EXPERIMENT, "accuracy"), QUICK if quick else ())
    seeds = QUICK_SEEDS if quick else SEEDS
    with LocalTestbed(nodes=4) as testbed, Client(testbed.url) as client:
        finals = {
            profile: [_final(client, wanted, profile, seed) for seed in seeds]
            for profile in ("exact", *GOALS)
        }
    return rows(finals, {} if quick else GOALS)


def rows(finals: Mapping[str, Sequence[float]], goals: Mapping[str, float]) -> list[Row]:
    """Compare each profile's final accuracies (shares, one per seed) with those of `exact`."""
    exact = finals["exact"]
    found = []
    for profile, reached in finals.items():
        if profile == "exact":
            continue
        costs = [100 * (one - other) for one, other in zip(exact, reached, strict=True)]
        found.append(
            Row(
                f"accuracy lost by '{profile}', mnist_mlp, {len(costs)} seeds",
                mean(costs),
                "points",
                goal=goals.get(profile),
                note=f"exact {100 * mean(exact):.2f} %, {profile} {100 * mean(reached):.2f} %; "
                f"single seeds differ by {min(costs):+.2f} to {max(costs):+.2f} "
                f"(standard deviation {stdev(costs):.2f})",
            )
        )
    return found


def _final(client: Client, wanted: Experiment, profile: str, seed: int) -> float:
    text = dump(override(wanted, [f"codec.up={profile}"]))
    run_id = client.submit(name="accuracy", experiment=text, seed=seed, twin=False)
    version = 0
    while (run := client.run(run_id))["state"] in ("queued", "running"):
        version = int(client.live(version, 5.0)["version"])
    if run["state"] != "finished":
        raise RunFailed(f"the run with '{profile}' and seed {seed} {run['state']}: {run['error']}")
    with tempfile.TemporaryDirectory() as folder:
        client.download(run_id, Path(folder))
        result = json.loads((Path(folder) / "result.json").read_text())
    return float(result["final"]["federated"])
