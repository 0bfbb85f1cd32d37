"""What the end-to-end tests share: small experiments, and waiting for what a test expects."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from fedbed.client import Client
from fedbed.experiment import dump, loads, override

LIMIT_S = 60.0
QUICK = """
name: quick
task: mnist_softmax
data:
  dataset: synthetic-digits
  train_samples: 2000
  test_samples: 500
federation:
  nodes: 2
  rounds: 3
  deadline: 1m
"""
LONG_ROUNDS = ["data.train_samples=8000", "federation.local_epochs=25", "federation.batch_size=8"]
"""Settings that make a round of QUICK last a second or two: time to break something in it."""


def submit(client: Client, *settings: str, seed: int = 1, twin: bool = False) -> str:
    """Submit QUICK with changes; returns the run's id."""
    experiment = override(loads(QUICK, "test"), list(settings))
    return client.submit(name=experiment.name, experiment=dump(experiment), seed=seed, twin=twin)


def wait_for(client: Client, expected: Callable[[dict[str, Any]], Any], what: str) -> Any:
    """Follow the live picture until `expected(picture)` is true; returns what it returned."""
    limit = time.monotonic() + LIMIT_S
    version = 0
    while time.monotonic() < limit:
        picture = client.live(version, 2.0)
        version = picture["version"]
        found = expected(picture)
        if found:
            return found
    raise AssertionError(f"{what}: not within {LIMIT_S:.0f} s; last seen: {json.dumps(picture)}")


def run_in(picture: dict[str, Any], run_id: str) -> dict[str, Any]:
    """Return a run out of the live picture."""
    return next(run for run in picture["runs"] if run["id"] == run_id)


def state_of(picture: dict[str, Any], name: str) -> str:
    """Return a node's state out of the live picture; empty before it has joined."""
    states = {node["name"]: str(node["state"]) for node in picture["nodes"]}
    return states.get(name, "")


def await_end(client: Client, run_id: str) -> dict[str, Any]:
    """Wait until a run has ended; returns its description."""

    def ended(picture: dict[str, Any]) -> dict[str, Any] | None:
        run = run_in(picture, run_id)
        return run if run["state"] in ("finished", "failed", "stopped") else None

    run: dict[str, Any] = wait_for(client, ended, f"the end of {run_id}")
    return run


def await_training(client: Client, run_id: str, server_round: int) -> None:
    """Wait until a round is under way and a node of it trains."""

    def under_way(picture: dict[str, Any]) -> bool:
        run = run_in(picture, run_id)
        training = any(node["state"] == "training" for node in picture["nodes"])
        return bool(run["phase"] == "round" and run["round"] >= server_round and training)

    wait_for(client, under_way, f"training in round {server_round}")


def result_of(client: Client, run_id: str, folder: Path) -> dict[str, Any]:
    """Download a finished run; returns its result.json."""
    run = await_end(client, run_id)
    assert run["state"] == "finished", run["error"]
    client.download(run_id, folder / run_id)
    result: dict[str, Any] = json.loads((folder / run_id / "result.json").read_text())
    return result


@contextmanager
def nothing_left() -> Iterator[None]:
    """Fail if processes, threads or sockets are left that weren't there before."""
    me = psutil.Process()
    before = _holdings(me)
    yield
    limit = time.monotonic() + 5
    left = _holdings(me) - before
    while left and time.monotonic() < limit:
        psutil.wait_procs(me.children(recursive=True), timeout=0.1)
        left = _holdings(me) - before
    assert not left, f"left behind: {sorted(left)}"


def _holdings(process: psutil.Process) -> set[str]:
    found = {f"process {child.pid}" for child in process.children(recursive=True)}
    # Python's own threads: numeric libraries keep pools of theirs for good.
    found |= {f"thread {thread.name}" for thread in threading.enumerate()}
    found |= {
        f"socket {name}"
        for name in (_target(entry) for entry in Path("/proc/self/fd").iterdir())
        if name.startswith("socket:")
    }
    return found


def _target(entry: Path) -> str:
    try:
        return os.readlink(entry)
    except OSError:
        return ""
