"""Nodes that don't wait for each other, on real processes; and what dies meanwhile."""

from __future__ import annotations

import json
import os
import re
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from fedbed.client import Client
from fedbed.errors import ExperimentError
from fedbed.testbed import LocalTestbed
from tests.e2e.bench import (
    await_end,
    await_training,
    nothing_left,
    result_of,
    run_in,
    state_of,
    submit,
    wait_for,
)

pytestmark = pytest.mark.e2e
SLOWLY = ["data.train_samples=4000", "federation.local_epochs=12", "federation.batch_size=8"]
"""Time to break something in a version, and not much of it: there are more of them than rounds."""
FEDBUFF = ["federation.strategy.name=FedBuff", "federation.strategy.args.buffer_size=2"]


def updates(result: dict[str, Any]) -> list[dict[str, Any]]:
    """All updates that were used, in order of arrival."""
    return [node for entry in result["history"] for node in entry["nodes"]]


@pytest.mark.parametrize(("strategy", "versions", "each"), [("FedBuff", 8, 2), ("FedAsync", 16, 1)])
def test_they_learn_without_waiting_for_each_other(
    strategy: str, versions: int, each: int, shared_client: Client, tmp_path: Path
) -> None:
    run_id = submit(
        shared_client,
        "federation.nodes=4",
        f"federation.rounds={versions}",
        f"federation.strategy.name={strategy}",
        "federation.evaluate_every=3",
        "codec.up=small",
        twin=True,
    )
    result = result_of(shared_client, run_id, tmp_path)
    assert result["verdict"] == {"status": "clean", "reasons": []}
    assert result["rounds"] == versions
    assert [entry["round"] for entry in result["history"]] == list(range(1, versions + 1))
    tested = [entry["round"] for entry in result["history"] if "accuracy" in entry]
    assert tested == sorted({*range(3, versions, 3), versions})
    assert result["final"]["federated"] > 0.6
    assert {entry["participants"] for entry in result["history"]} == {each}
    assert {node["name"] for node in updates(result)} == {f"node-{n}" for n in (1, 2, 3, 4)}
    # Four train at once, and fewer make a version: somebody's model has always grown old.
    assert max(node["staleness"] for node in updates(result)) >= 1
    assert all(entry["staleness"] >= 0 for entry in result["history"])
    assert [entry["samples"] for entry in result["twin"]] == [
        sum(node["metrics"]["samples"] for node in entry["nodes"]) for entry in result["history"]
    ]
    assert "<html" in (tmp_path / run_id / "report.html").read_text()


def test_updates_that_are_too_old_are_dropped_and_said_so(
    shared_client: Client, tmp_path: Path
) -> None:
    settings = ["federation.nodes=4", "federation.rounds=4", "federation.strategy.name=FedAsync"]
    run_id = submit(shared_client, *settings, "federation.strategy.args.max_staleness=0")
    result = result_of(shared_client, run_id, tmp_path)
    assert [node["staleness"] for node in updates(result)] == [0] * 4
    missing = [why for entry in result["history"] for why in entry["missing"].values()]
    too_old = re.compile(r"its update was (1 version|[2-9] versions) old, 0 at most count")
    assert any(too_old.fullmatch(why) for why in missing)
    assert result["verdict"]["status"] == "tainted"


def test_a_killed_node_is_done_without_and_asked_again_when_it_is_back(
    testbed: LocalTestbed, client: Client, tmp_path: Path
) -> None:
    run_id = submit(client, *SLOWLY, *FEDBUFF, "federation.rounds=16")
    await_training(client, run_id, 2)
    victim = testbed.process("node-2")
    os.kill(victim.pid, signal.SIGKILL)
    wait_for(client, lambda p: state_of(p, "node-2") == "offline", "node-2 offline")
    alone = run_in(client.live(), run_id)["round"]
    wait_for(client, lambda p: run_in(p, run_id)["round"] >= alone + 2, "versions without it")
    victim.popen.wait()
    testbed.start_node("node-2")
    wait_for(client, lambda p: state_of(p, "node-2") == "training", "node-2 back in training")
    result = result_of(client, run_id, tmp_path)
    assert result["rounds"] == 16
    assert any(entry["missing"] == {"1": "the node was lost"} for entry in result["history"])
    names = [{node["name"] for node in entry["nodes"]} for entry in result["history"]]
    alone_at = names.index({"node-1"})
    assert any("node-2" in team for team in names[alone_at:])


@pytest.mark.parametrize("victim", ["run", "coordinator"])
def test_a_killed_run_goes_on_with_what_nodes_have_in_hand(
    victim: str, testbed: LocalTestbed, client: Client, tmp_path: Path
) -> None:
    run_id = submit(client, *SLOWLY, *FEDBUFF, "federation.rounds=6", "codec.down=int8")
    await_training(client, run_id, 3)
    coordinator = testbed.process("coordinator")
    if victim == "run":
        (run_process,) = psutil.Process(coordinator.pid).children()
        os.kill(run_process.pid, signal.SIGKILL)
    else:
        os.kill(coordinator.pid, signal.SIGKILL)
        coordinator.popen.wait()
        testbed.restart_coordinator()
    result = result_of(client, run_id, tmp_path)
    assert [entry["round"] for entry in result["history"]] == [1, 2, 3, 4, 5, 6]
    assert [entry["participants"] for entry in result["history"]] == [2] * 6
    assert [entry["missing"] for entry in result["history"]] == [{}] * 6
    assert result["final"]["federated"] > 0.6
    # Nobody trained for nothing: nodes were asked as often as their updates were used, and no
    # result was refused because it answered what nobody had asked.
    assert [client.node(name)["refusals"] for name in ("node-1", "node-2")] == [[], []]


def test_a_node_that_always_fails_does_not_spin(tmp_path: Path) -> None:
    settings = ["federation.nodes=3", "federation.rounds=5000", "adversaries.nodes=1"]
    with nothing_left(), LocalTestbed(nodes=3) as testbed, Client(testbed.url) as client:
        run_id = submit(client, *settings, *FEDBUFF, "adversaries.kind=nan")

        def tries() -> list[dict[str, Any]]:
            return [entry for entry in client.run(run_id)["history"] if entry["missing"]]

        # However fast the others are: they make versions until it has failed often enough.
        wait_for(client, lambda _: len(tries()) >= 4, "a fourth failure")
        client.stop(run_id)
        await_end(client, run_id)
        failures = tries()
        client.download(run_id, tmp_path)
        result = json.loads((tmp_path / "result.json").read_text())
        (bad,) = result["adversaries"]["partitions"]
    versions = [entry["round"] for entry in failures]
    # Having failed for the n-th time it rests for 2 ** (n - 1) versions.
    rests = [later - earlier for earlier, later in pairwise(versions)]
    assert all(rest >= 2**n for n, rest in enumerate(rests)), versions
    assert all(list(entry["missing"]) == [str(bad)] for entry in failures)
    assert all("array 'weight'" in entry["missing"][str(bad)] for entry in failures)
    assert bad not in {node["partition"] for node in updates(result)}
    assert result["final"]["federated"] > 0.6


def test_if_all_nodes_fail_the_run_does(client: Client) -> None:
    settings = [*FEDBUFF, "adversaries.nodes=2", "adversaries.kind=nan", "federation.attempts=2"]
    run = await_end(client, submit(client, *settings))
    assert (run["state"], run["error_code"]) == ("failed", "RunFailed")
    assert run["error"].startswith("round 1: every node failed: ")


def test_a_run_can_be_stopped_and_keeps_its_versions(client: Client, tmp_path: Path) -> None:
    run_id = submit(client, *FEDBUFF, "federation.rounds=1000")
    await_training(client, run_id, 3)
    client.stop(run_id)
    assert await_end(client, run_id)["state"] == "stopped"
    client.download(run_id, tmp_path)
    assert {"result.json", "model.npz"} <= {p.name for p in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [
        ("federation.strategy.args.buffersize=3", "FedBuff has no argument 'buffersize'"),
        ("federation.strategy.args.buffer_size=0", "buffer_size is 0, but must be 1 or more"),
        ("federation.evaluate=nodes", "'nodes' needs rounds, but FedBuff is asynchronous"),
        ("federation.over_selection=0.5", "needs rounds, but FedBuff is asynchronous"),
    ],
)
def test_wrong_arguments_are_one_line(setting: str, wanted: str, shared_client: Client) -> None:
    with pytest.raises(ExperimentError) as caught:
        submit(shared_client, "federation.strategy.name=FedBuff", setting)
    assert wanted in str(caught.value)
    assert "\n" not in str(caught.value)
