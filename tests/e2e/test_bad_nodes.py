"""A node that sends rubbish is refused, set aside and shown so; the run finishes without it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from fedbed.client import Client
from fedbed.testbed import LocalTestbed
from tests.e2e.bench import nothing_left, result_of, submit

pytestmark = pytest.mark.e2e


def bad_one(client: Client) -> dict[str, Any]:
    (found,) = [node for node in client.nodes() if node["offences"]]
    return found


def test_a_node_that_sends_nan_is_set_aside_and_stays_so_after_a_restart(tmp_path: Path) -> None:
    settings = ["federation.nodes=4", "federation.rounds=5", "adversaries.nodes=1"]
    with nothing_left(), LocalTestbed(nodes=4) as testbed, Client(testbed.url) as client:
        run_id = submit(client, *settings, "adversaries.kind=nan")
        result = result_of(client, run_id, tmp_path)
        report = (tmp_path / run_id / "report.html").read_text()
        (partition,) = result["adversaries"]["partitions"]
        name = result["nodes"][partition]["name"]
        said = [event["text"] for event in client.live()["events"]]
        before = bad_one(client)
        record = client.node(name)

        coordinator = testbed.process("coordinator")
        os.kill(coordinator.pid, signal.SIGKILL)
        coordinator.popen.wait()
        testbed.restart_coordinator()
        after = bad_one(client)
        client.drain(name, drained=False)
        forgiven = client.node(name)

    assert [entry["participants"] for entry in result["history"]] == [3] * 5
    assert [entry["asked"] for entry in result["history"]] == [4, 4, 4, 3, 3]
    assert result["final"]["federated"] > 0.6
    wanted = "1 of 4 nodes sends NaN for its updates, as the experiment asks"
    assert result["adversaries"]["text"] == wanted
    assert wanted in said
    assert wanted in report
    assert result["verdict"]["status"] == "tainted"
    refused = f"{name}'s update was refused in round 2: array 'weight'"
    assert any(why.startswith(refused) for why in result["verdict"]["reasons"])
    assert f"{name}: offence 3 of 3: refused: array 'weight'" in "\n".join(said)

    assert (before["name"], before["state"], before["offences"]) == (name, "drained", 3)
    assert before["set_aside"].startswith("set aside after 3 offences: refused: array 'weight'")
    assert [(r["kind"], r["counts"]) for r in record["refusals"]] == [("not-finite", True)] * 3
    assert [run["id"] for run in record["runs"]] == [run_id]
    for key in ("drained", "offences", "set_aside"):
        assert after[key] == before[key]
    assert (forgiven["drained"], forgiven["offences"], forgiven["set_aside"]) == (False, 0, "")
    assert len(forgiven["refusals"]) == 3


def test_an_update_that_is_too_long_is_refused_and_a_turned_one_is_not(
    shared_client: Client, tmp_path: Path
) -> None:
    settings = ["federation.nodes=4", "adversaries.nodes=1", "adversaries.kind=scale"]
    large = submit(shared_client, *settings, "adversaries.scale=100", "federation.rounds=2")
    result = result_of(shared_client, large, tmp_path)
    assert [entry["participants"] for entry in result["history"]] == [3, 3]
    assert "above this round's limit of" in result["history"][0]["missing"]["2"]
    node = shared_client.node("node-3")
    assert [(r["kind"], r["counts"]) for r in node["refusals"]] == [("norm", True)] * 2
    shared_client.drain("node-3", drained=False)

    clipped = submit(shared_client, *settings, "adversaries.scale=100", "screening.over=clip")
    result = result_of(shared_client, clipped, tmp_path)
    assert [entry["participants"] for entry in result["history"]] == [4] * 3
    assert "it was shortened" in result["history"][0]["bounded"]["2"]
    assert shared_client.node("node-3")["offences"] == 0

    for strategy in ("FedAvg", "FedMedian"):
        turned = submit(
            shared_client, "federation.nodes=4", "adversaries.nodes=1", "adversaries.scale=3",
            f"federation.strategy={strategy}",
        )  # fmt: skip
        result = result_of(shared_client, turned, tmp_path)
        assert [entry["participants"] for entry in result["history"]] == [4] * 3
        good = result["final"]["federated"] > 0.6
        assert good == (strategy == "FedMedian")
    assert shared_client.node("node-3")["offences"] == 0
