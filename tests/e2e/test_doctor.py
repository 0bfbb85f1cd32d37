"""Check-ups of a fleet and preflights of runs: real coordinators, agents, children, and tokens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from fedbed.client import Client
from fedbed.testbed import LocalTestbed
from tests.e2e.bench import LONG_ROUNDS, QUICK, await_training, state_of, submit, wait_for
from tests.parts import shifted, small_disk

pytestmark = pytest.mark.e2e
LIMIT_BYTES = 30 * 1024 * 1024
"""Of an agent's daemon, which has no part in a check-up but to start it."""


def fedbed(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fedbed", *words],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, **(env or {})},
    )


def levels(found: list[dict[str, Any]]) -> dict[str, str]:
    return {finding["check"]: finding["level"] for finding in found}


def test_a_fleet_is_examined() -> None:
    with LocalTestbed(2) as testbed:
        gone = testbed.start_node("gone")
        with testbed.client() as client:
            wait_for(client, lambda p: state_of(p, "gone") == "ready", "the third node")
            gone.popen.terminate()
            wait_for(client, lambda p: state_of(p, "gone") == "offline", "its end")
        there = ["--coordinator", testbed.url]
        fleet = fedbed("doctor", "--fleet", *there)
        assert fleet.returncode == 0, fleet.stdout + fleet.stderr
        for process in testbed.processes[1:3]:
            assert psutil.Process(process.pid).memory_info().rss <= LIMIT_BYTES
        table = fleet.stdout.split("\n\n")[0].splitlines()
        rows = {line.split()[0]: line for line in table}
        assert rows["gone"].split()[1] == "offline"
        assert {rows[name].split()[1] for name in ("node-1", "node-2")} <= {"ok", "warn"}
        named = fedbed("doctor", "--fleet", *there, "gone", "--json")
        assert named.returncode == 18
        (shown,) = json.loads(named.stdout)
        assert (shown["node"], shown["worst"], shown["findings"]) == ("gone", "offline", [])
        unknown = fedbed("doctor", "--fleet", *there, "node-7")
        assert unknown.returncode == 13
        assert "did you mean 'node-" in unknown.stderr


def test_a_run_starts_on_nodes_that_cannot_train_only_where_that_is_allowed(
    tmp_path: Path,
) -> None:
    file = tmp_path / "exp.yaml"
    file.write_text(QUICK.replace("rounds: 3", "rounds: 1").replace("nodes: 2", "nodes: 1"))
    bed = tmp_path / "bed"
    with small_disk(bed / "poor", 100_000_000), LocalTestbed(0, bed) as testbed:
        testbed.start_node("poor")
        with testbed.client() as client:
            wait_for(client, lambda p: state_of(p, "poor") == "ready", "the node")
        run = ["run", str(file), "--coordinator", testbed.url, "--preflight", "--no-twin"]
        run += ["--output", str(tmp_path / "runs")]
        refused = fedbed(*run)
        assert refused.returncode == 18, refused.stdout + refused.stderr
        assert "preflight: asking 1 node how they are, for a worker of" in refused.stdout
        assert "mend: sudo apt clean" in refused.stdout
        (line,) = refused.stderr.splitlines()
        assert "poor (disk) can't train like this" in line
        with testbed.client() as client:
            assert client.runs() == []
        allowed = fedbed(*run, "--allow-unhealthy")
        assert allowed.returncode == 0, allowed.stdout + allowed.stderr
        assert "the run starts all the same with poor (disk)" in allowed.stdout
        # Of those that the run may not choose, nobody is asked.
        testbed.start_node("good")
        with testbed.client() as client:
            wait_for(client, lambda p: state_of(p, "good") == "ready", "the other node")
        chosen = fedbed(*run, "--set", "federation.select.names=[good]")
        assert chosen.returncode == 0, chosen.stdout + chosen.stderr
        assert "preflight: asking 1 node how they are" in chosen.stdout
        assert "poor" not in chosen.stdout
        nobody = fedbed(*run, "--set", "federation.select.labels={room: b 12}")
        assert nobody.returncode == 8
        assert "no node can take part: needs 1 nodes, room=b 12; ready: none" in nobody.stderr


def test_a_node_over_tls_with_a_token_and_a_clock_that_is_off(tmp_path: Path) -> None:
    with LocalTestbed(0, enrolled=True, tls=True) as testbed:
        with testbed.client() as client:
            token = client.enrol(names=["pi-1"])["token"]
        flags = ["doctor", "--json", "--coordinator", testbed.url, "--ca", str(testbed.ca)]
        flags += ["--name", "pi-1", "--state-dir", str(tmp_path / "state")]
        flags += ["--worker-python", "/nowhere/python"]
        off = fedbed(*flags, env=shifted("+3d"))
        found = {f["check"]: f for f in json.loads(off.stdout)["findings"]}
        assert found["clock"]["level"] == "fail"
        assert "3 d ahead of the coordinator's" in found["clock"]["found"]
        assert found["tls"]["level"] == "ok"
        assert found["admission"]["level"] == "fail"
        assert "is not enrolled here" in found["admission"]["found"]
        (tmp_path / "token").write_text(token)
        right = fedbed(*flags, "--enrol-file", str(tmp_path / "token"))
        told = levels(json.loads(right.stdout)["findings"])
        assert told["clock"] == told["admission"] == told["bandwidth"] == "ok"
        assert token not in right.stdout + right.stderr
        with testbed.client() as client:
            assert client.enrolments()[0]["state"] == "valid"
            assert client.nodes() == []


def test_a_busy_node_answers_without_what_would_disturb_it() -> None:
    with LocalTestbed(1) as testbed, Client(testbed.url) as client:
        run = submit(client, "federation.nodes=1", *LONG_ROUNDS, "federation.rounds=50")
        await_training(client, run, 1)
        fleet = fedbed("doctor", "--fleet", "--coordinator", testbed.url, "--json")
        (node,) = json.loads(fleet.stdout)
        assert node["busy"] is True
        assert levels(node["findings"])["torch"] == "skipped"
        assert levels(node["findings"])["coordinator"] == "ok"
        client.stop(run)
