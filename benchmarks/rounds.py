"""A round of one and the same Flower app, on stock Flower and here; and a round's overhead."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.clock import Timing, durations, read_clock
from benchmarks.rows import Row
from benchmarks.stock import PeerAway, StockFlower
from fedbed import bundle
from fedbed.cli import flowerapp
from fedbed.client import Client
from fedbed.errors import RunFailed
from fedbed.testbed import LocalTestbed

APP = Path(__file__).resolve().parent / "apps" / "echo"
NODES = 4
STOCK = "stock Flower"

# 199,210 float32 parameters (0.8 MB); few samples, so that the link is what is seen.
EXPERIMENT = """
name: overhead
task: mnist_mlp
data: {{dataset: synthetic-digits, train_samples: 4000, test_samples: 200}}
federation: {{nodes: 4, rounds: {rounds}}}
centralised: {{enabled: false}}
"""


@dataclass(frozen=True)
class Case:
    """One setting of the echo app, with the rounds to run here and on stock Flower.

    stock_rounds: none where the rounds of another case stand beside it. up, down: codec profiles
    here; stock Flower has none.
    """

    name: str
    framework: str
    model: str
    rounds: int
    stock_rounds: int = 0
    up: str = "exact"
    down: str = "exact"


def cases(quick: bool) -> list[Case]:
    """Return what is run; of stock Flower's large model only if there is time."""
    small, large = (12, 4) if quick else (20, 8)
    return [
        Case("numpy", "numpy", "mlp", small, 2 if quick else 5),
        Case("torch", "torch", "mlp", small, 2 if quick else 4),
        Case("large", "numpy", "resnet18", large, 0 if quick else 3),
        Case("bf16-up", "numpy", "resnet18", large, up="bf16"),
        Case("bf16", "numpy", "resnet18", large, up="bf16", down="bf16"),
    ]


def measure(quick: bool) -> list[Row]:
    """Seconds per round; in full, ours is measured before and after stock Flower's."""
    wanted = cases(quick)
    ours = _ours(wanted)
    stock, why = _stock([case for case in wanted if case.stock_rounds])
    if not quick:
        for name, runs in _ours(wanted).items():
            ours[name] += runs
    if quick:
        why = why or "stock Flower's rounds of 44.7 MB are measured by the full run only"
    return rows(
        {name: Timing.of(runs) for name, runs in ours.items()},
        {name: Timing.of([run]) for name, run in stock.items()},
        why,
    )


def rows(ours: dict[str, Timing], stock: dict[str, Timing], why_not: str) -> list[Row]:
    """Lay both sides' timings, by the cases' names, beside each other.

    why_not: said of rows for which stock Flower has no timing.
    """
    found: list[Row] = []
    for name, what in (("numpy", "NumPy app"), ("torch", "torch app")):
        here, there = ours[name], stock.get(name)
        found.append(
            Row(
                f"round of a {what}, 0.8 MB, 4 nodes",
                1000 * here.usual,
                "ms",
                goal=100,
                at_least=True,
                of_ratio=True,
                peer=1000 * there.usual if there else None,
                peer_name=STOCK,
                note="" if there else why_not,
            )
        )
        found.append(
            Row(
                f"its first round ({what})",
                1000 * here.first,
                "ms",
                peer=1000 * there.first if there else None,
                peer_name=STOCK,
                note=f"slowest of the later rounds: {1000 * here.slowest:.0f} ms",
            )
        )
    there = stock.get("large")
    for name, what, goal in (
        ("large", "exact", 1.5),
        ("bf16-up", "bf16 up, exact down", 1.0),
        ("bf16", "bf16 both ways", 1.0),
    ):
        here = ours[name]
        found.append(
            Row(
                f"round of ResNet-18, 44.7 MB, 4 nodes, {what}",
                here.usual,
                "s",
                goal=goal,
                peer=there.usual if there else None,
                peer_name=STOCK,
                note=f"first round {here.first:.2f} s, slowest of the others {here.slowest:.2f} s"
                + ("" if there else f"; {why_not}"),
            )
        )
    return found


def _ours(wanted: Sequence[Case]) -> dict[str, list[list[float]]]:
    with LocalTestbed(nodes=NODES) as testbed, Client(testbed.url) as client:
        return {case.name: [_our_rounds(client, case)] for case in wanted}


def _our_rounds(client: Client, case: Case) -> list[float]:
    app = flowerapp.read(APP)
    with tempfile.TemporaryDirectory() as folder:
        clock = Path(folder) / "rounds.json"
        run_id = client.submit_app(
            bundle.pack(APP),
            name=f"echo-{case.name}",
            serverapp=app.serverapp,
            clientapp=app.clientapp,
            run_config={**_config(case, case.rounds), "clock": str(clock)},
            nodes=NODES,
            codec_up=case.up,
            codec_down=case.down,
        )
        await_end(client, run_id)
        return durations(read_clock(clock))


def _stock(wanted: Sequence[Case]) -> tuple[dict[str, list[float]], str]:
    """Return each case's rounds, and why there are no more of them if it is so."""
    found: dict[str, list[float]] = {}
    try:
        with StockFlower(nodes=NODES) as flower:
            for case in wanted:
                found[case.name] = flower.run(APP, _config(case, case.stock_rounds))
    except PeerAway as error:
        return found, str(error)
    return found, ""


def _config(case: Case, rounds: int) -> dict[str, str | int]:
    return {"framework": case.framework, "model": case.model, "rounds": rounds}


def await_end(client: Client, run_id: str) -> None:
    """Wait for the end of a run; RunFailed unless it finished."""
    version = 0
    while (run := client.run(run_id))["state"] in ("queued", "running"):
        version = int(client.live(version, 5.0)["version"])
    if run["state"] != "finished":
        raise RunFailed(f"run {run_id}: {run['state']}: {run['error']}")


def overhead(quick: bool) -> list[Row]:
    """What of a round of an experiment is neither training nor evaluation."""
    experiment = EXPERIMENT.format(rounds=10 if quick else 30)
    with LocalTestbed(nodes=NODES) as testbed, Client(testbed.url) as client:
        run_id = client.submit(name="overhead", experiment=experiment, seed=1, twin=False)
        await_end(client, run_id)
        with tempfile.TemporaryDirectory() as folder:
            client.download(run_id, Path(folder))
            result = json.loads((Path(folder) / "result.json").read_text())
    overheads = [1000 * entry["overhead_s"] for entry in result["history"]]
    note = f"slowest but the first: {max(overheads[1:]):.0f} ms; the first, which starts torch: "
    return [
        Row(
            "round without training and evaluation, 0.8 MB, 4 nodes",
            median(overheads),
            "ms",
            goal=100,
            note=f"{note}{overheads[0]:.0f} ms",
        )
    ]
