"""Unmodified Flower apps on real agents."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from fedbed import bundle
from fedbed.client import Client
from fedbed.testbed import LocalTestbed
from tests.e2e.bench import nothing_left, wait_for

pytestmark = pytest.mark.e2e
QUICKSTART = Path(__file__).parents[1] / "apps" / "quickstart"


def fedbed_run(app: Path, output: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run an app by the command line on two local nodes."""
    command = [sys.executable, "-m", "fedbed", "run", str(app), "--nodes", "2"]
    return subprocess.run(
        [*command, "--output", str(output), *flags],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_an_app_as_flowers_docs_teach_it_runs_and_learns(tmp_path: Path) -> None:
    flags = ["--run-config", "num-server-rounds=4 local-epochs=5"]
    with nothing_left():
        done = fedbed_run(QUICKSTART, tmp_path, *flags)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "latest"
    result = json.loads((folder / "result.json").read_text())
    assert result["kind"] == "app"
    assert result["rounds"] == 4
    assert result["verdict"]["status"] == "clean"
    assert result["initial"]["accuracy"] < 0.6 < 0.8 < result["final"]["federated"]
    # What the ServerApp wrote and printed is among the results.
    assert (folder / "final_model.pt").is_file()
    assert "Saving final model" in (folder / "server.log").read_text()
    evaluated = [n["metrics"] for n in result["history"][-1]["nodes"]]
    assert [m["num-examples"] for m in evaluated] == [600, 600]


def test_an_app_goes_on_after_its_process_was_killed(tmp_path: Path) -> None:

    with nothing_left(), LocalTestbed(nodes=2) as testbed, Client(testbed.url) as client:
        run_id = client.submit_app(
            bundle.pack(QUICKSTART),
            name="quickstart",
            serverapp="quickstart.server_app:app",
            clientapp="quickstart.client_app:app",
            run_config={
                "num-server-rounds": 6,
                "fraction-evaluate": 1.0,
                "local-epochs": 40,
                "lr": 0.05,
            },
            nodes=2,
        )

        def round_three(picture: dict[str, object]) -> bool:
            run = client.run(run_id)
            return bool(run["phase"] == "round" and run["round"] >= 3)

        wait_for(client, round_three, "round 3")

        (process,) = psutil.Process(testbed.process("coordinator").pid).children()
        process.kill()
        wait_for(client, lambda _p: client.run(run_id)["state"] == "finished", "the end")
        client.download(run_id, tmp_path)
    result = json.loads((tmp_path / "result.json").read_text())
    assert [entry["round"] for entry in result["history"]] == [1, 2, 3, 4, 5, 6]
    assert result["verdict"]["reasons"] == [
        "the run's process was restarted and went on from a checkpoint"
    ]


def test_a_client_app_that_raises_ends_the_run_with_its_words(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(QUICKSTART, broken)
    client_app = broken / "quickstart" / "client_app.py"
    text = client_app.read_text()
    client_app.write_text(
        text.replace("    model = Net()\n", "    raise KeyError('no model')\n", 1)
    )
    done = fedbed_run(broken, tmp_path / "out")
    assert done.returncode == 9
    assert "every node failed" in done.stderr
    assert "KeyError: 'no model'" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stderr.count("\n") == 1


def test_nodes_that_refuse_foreign_code_get_none() -> None:
    with nothing_left(), LocalTestbed(nodes=0) as testbed, Client(testbed.url) as client:
        testbed.start_node("strict", "--allow-apps", "no")

        run_id = client.submit_app(
            bundle.pack(QUICKSTART),
            name="quickstart",
            serverapp="quickstart.server_app:app",
            clientapp="quickstart.client_app:app",
            nodes=1,
        )
        explained = "strict doesn't run Flower apps"
        wait_for(client, lambda _p: explained in client.run(run_id)["wait"], "the explanation")
        client.stop(run_id)
