"""The commands with a real coordinator, real nodes and real runs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedbed.testbed import LocalTestbed

pytestmark = pytest.mark.e2e
QUICK = Path(__file__).resolve().parents[3] / "experiments" / "quick.yaml"


@pytest.fixture(scope="module")
def testbed() -> Iterator[LocalTestbed]:
    with LocalTestbed(2) as testbed:
        yield testbed


def start(folder: Path, *arguments: str, url: str | None = None) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if k != "FEDBED_COORDINATOR"}
    if url:
        environment["FEDBED_COORDINATOR"] = url
    return subprocess.Popen(
        [sys.executable, "-m", "fedbed", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment,
    )


def fedbed(folder: Path, *arguments: str, url: str | None = None) -> tuple[int, str, str]:
    process = start(folder, *arguments, url=url)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_run_by_itself_from_start_to_report(tmp_path: Path) -> None:
    code, out, err = fedbed(tmp_path, "run", str(QUICK), "--set", "federation.rounds=2")
    assert (code, err) == (0, "")
    assert "round 2 of 2, accuracy" in out
    assert "centralised twin, round 2 of 2" in out
    assert re.search(r"accuracy +\d+\.\d+ % +\d+\.\d+ % +[+-]\d+\.\d+ points", out)
    names = {path.name for path in (tmp_path / "runs" / "latest").iterdir()}
    assert {"result.json", "metrics.csv", "experiment.yaml", "report.html"} <= names
    assert "\x1b" not in out


def test_run_on_a_coordinator_and_what_the_other_commands_say_of_it(
    tmp_path: Path, testbed: LocalTestbed
) -> None:
    url = testbed.url
    code, out, _ = fedbed(tmp_path, "run", str(QUICK), "--no-twin", "--json", url=url)
    assert code == 0
    found = json.loads(out)
    assert found["result"]["final"]["federated"] > 0.5
    code, out, _ = fedbed(tmp_path, "runs", url=url)
    assert found["run"] in out
    assert found["run"] in fedbed(tmp_path, "nodes", "show", "node-1", url=url)[1]
    code, out, _ = fedbed(tmp_path, "runs", "show", "latest", url=url)
    assert code == 0
    assert "round 3" in out
    code, out, _ = fedbed(tmp_path, "runs", "fetch", found["run"], "--output", "again", url=url)
    assert code == 0
    assert (tmp_path / "again" / found["run"] / "result.json").is_file()
    code, out, _ = fedbed(tmp_path, "runs", "watch", found["run"], url=url)
    assert code == 0
    code, _, err = fedbed(tmp_path, "runs", "stop", found["run"], url=url)
    assert code == 9
    assert "has ended already" in err
    code, _, err = fedbed(tmp_path, "runs", "show", "nosuch", url=url)
    assert (code, err) == (13, "fedbed: there is no run 'nosuch'\n")


def test_nodes_are_listed_and_steered(tmp_path: Path, testbed: LocalTestbed) -> None:
    def state() -> str:
        code, out, _ = fedbed(tmp_path, "nodes", "--json", "--coordinator", testbed.url)
        assert code == 0
        return str(json.loads(out)[0]["state"])

    assert fedbed(tmp_path, "nodes", "drain", "node-1", url=testbed.url)[0] == 0
    assert state() == "drained"
    assert fedbed(tmp_path, "nodes", "resume", "node-1", url=testbed.url)[0] == 0
    assert state() == "ready"
    assert "node-2" in fedbed(tmp_path, "nodes", url=testbed.url)[1]
    code, out, _ = fedbed(tmp_path, "nodes", "show", "node-1", url=testbed.url)
    assert code == 0
    assert "nothing of it was ever refused" in out


def test_a_run_that_lacks_nodes_fails_with_its_own_exit_code(
    tmp_path: Path, testbed: LocalTestbed
) -> None:
    more = ["--nodes", "3", "--set", "federation.start_timeout=1s"]
    code, out, err = fedbed(tmp_path, "run", str(QUICK), *more, url=testbed.url)
    assert code == 8
    assert "needs 3 nodes; ready: node-1, node-2" in err
    assert err.count("\n") == 1
    assert "waiting: needs 3 nodes" in out


def test_ctrl_c_stops_the_run_and_everything_else(tmp_path: Path) -> None:
    process = start(tmp_path, "run", str(QUICK), "--set", "federation.rounds=5000")
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        while "round 2 of" not in process.stdout.readline():
            assert process.poll() is None
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert time.monotonic() - began < 20
    assert "was stopped by Ctrl-C; what there is lies in runs" in err
    assert "Traceback" not in err + out
    assert (tmp_path / "runs" / "latest" / "server.log").is_file()


def test_compare_runs_every_seed(tmp_path: Path, testbed: LocalTestbed) -> None:
    more = ["--set", "seeds=[1, 2]", "--set", "federation.rounds=1", "--json"]
    code, out, err = fedbed(tmp_path, "compare", str(QUICK), *more, url=testbed.url)
    assert code == 0, err
    found = json.loads(out)
    assert [run["seed"] for run in found["variants"][0]["runs"]] == [1, 2]
    assert found["variants"][0]["summary"]["against_twin"]["n"] == 2
    stored = json.loads((tmp_path / "runs" / found["id"] / "comparison.json").read_text())
    assert stored == found
