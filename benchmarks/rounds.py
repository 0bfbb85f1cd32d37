"""Time of a round that is neither training nor evaluation."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from fedbed.client import Client
from fedbed.testbed import LocalTestbed

# 199,210 float32 parameters (0.8 MB); few samples, so that the link is what is seen.
EXPERIMENT = """
name: overhead
task: mnist_mlp
data: {dataset: synthetic-digits, train_samples: 4000, test_samples: 200}
federation: {nodes: 4, rounds: 30}
centralised: {enabled: false}
"""


def measure() -> list[dict[str, Any]]:
    """Median and worst over 30 rounds; the first, which starts torch, stands alone."""
    with LocalTestbed(nodes=4) as testbed, Client(testbed.url) as client:
        run_id = client.submit(name="overhead", experiment=EXPERIMENT, seed=1, twin=False)
        version = 0
        while client.run(run_id)["state"] in ("queued", "running"):
            version = int(client.live(version, 5.0)["version"])
        with tempfile.TemporaryDirectory() as folder:
            client.download(run_id, Path(folder))
            result = json.loads((Path(folder) / "result.json").read_text())
    overheads = [1000 * entry["overhead_s"] for entry in result["history"]]
    what = "round without training and evaluation, 4 nodes, 0.8 MB"
    return [
        {"what": f"{what}: median", "ours": median(overheads), "unit": "ms", "goal": 100},
        {"what": f"{what}: worst but the first", "ours": max(overheads[1:]), "unit": "ms"},
        {"what": f"{what}: the first (starts torch)", "ours": overheads[0], "unit": "ms"},
    ]
