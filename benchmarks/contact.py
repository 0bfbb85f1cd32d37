"""How soon a dead and a frozen node are noticed, while it trains."""

from __future__ import annotations

import os
import signal
import time

from benchmarks.rows import Row
from fedbed.client import Client
from fedbed.testbed import LocalTestbed, Process

EXPERIMENT = """
name: contact
task: mnist_softmax
data: {dataset: synthetic-digits, train_samples: 12000, test_samples: 200}
federation: {nodes: 2, rounds: 1, local_epochs: 2000, batch_size: 8, deadline: 5m}
centralised: {enabled: false}
"""
REPETITIONS = 3


def measure(quick: bool) -> list[Row]:
    """SIGKILL and SIGSTOP to an agent in training, as watchers see it: the worst of three each."""
    times = 1 if quick else REPETITIONS
    killed = max(_noticed_after(signal.SIGKILL) for _ in range(times))
    frozen = max(_noticed_after(signal.SIGSTOP) for _ in range(times))
    return [
        Row("killed agent noticed after", killed, "s", goal=2),
        Row("frozen agent noticed after", frozen, "s", goal=15),
    ]


def _noticed_after(blow: signal.Signals) -> float:
    with LocalTestbed(nodes=2) as testbed, Client(testbed.url) as client:
        client.submit(name="contact", experiment=EXPERIMENT, seed=1, twin=False)
        _wait_for_state(client, "node-1", "training")
        victim: Process = next(p for p in testbed.processes if p.name == "node-1")
        began = time.monotonic()
        os.kill(victim.pid, blow)
        _wait_for_state(client, "node-1", "offline")
        noticed = time.monotonic() - began
        if blow == signal.SIGSTOP:
            os.kill(victim.pid, signal.SIGCONT)
        return noticed


def _wait_for_state(client: Client, name: str, state: str) -> None:
    version = 0
    while True:
        picture = client.live(version, 5.0)
        version = int(picture["version"])
        if any(n["name"] == name and n["state"] == state for n in picture["nodes"]):
            return
