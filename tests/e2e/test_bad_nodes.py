"""A node that sends rubbish is refused, set aside and shown so; the run finishes without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedbed.client import Client
from fedbed.testbed import LocalTestbed
from tests.e2e.bench import nothing_left, result_of, submit

pytestmark = pytest.mark.e2e


def test_a_node_that_sends_nan_is_set_aside_for_as_long_as_the_run_asks_for_it(
    tmp_path: Path,
) -> None:
    settings = ["federation.nodes=4", "federation.rounds=5", "adversaries.nodes=1"]
    with nothing_left(), LocalTestbed(nodes=4) as testbed, Client(testbed.url) as client:
        run_id = submit(client, *settings, "adversaries.kind=nan")
        result = result_of(client, run_id, tmp_path)
        report = (tmp_path / run_id / "report.html").read_text()
        (partition,) = result["adversaries"]["partitions"]
        name = result["nodes"][partition]["name"]
        said = [event["text"] for event in client.live()["events"]]
        record = client.node(name)

    assert [entry["participants"] for entry in result["history"]] == [3] * 5
    assert [entry["asked"] for entry in result["history"]] == [4, 4, 4, 3, 3]
    assert result["final"]["federated"] > 0.6
    wanted = "1 of 4 nodes sends NaN for its updates, as the experiment asks"
    assert result["adversaries"]["text"] == wanted
    assert wanted in said
    assert wanted in report
    assert result["verdict"]["status"] == "tainted"
    refused = f"{name}'s update was refused in rounds 1-3: array 'weight'"
    assert any(why.startswith(refused) for why in result["verdict"]["reasons"])
    assert f"{name}: offence 3 of 3: refused: array 'weight'" in "\n".join(said)

    assert f"{name} is set aside after 3 offences: refused: array 'weight'" in "\n".join(said)
    forgiven = f"{name} did as the experiment asked, and is forgiven: it takes work again"
    assert forgiven in said
    assert (record["drained"], record["offences"], record["set_aside"]) == (False, 0, "")
    kinds = [(r["kind"], r["counts"], r["asked_for"]) for r in record["refusals"]]
    assert kinds == [("not-finite", False, True)] * 3
    assert [run["id"] for run in record["runs"]] == [run_id]


def test_an_update_that_is_too_long_is_refused_and_a_turned_one_is_not(
    shared_client: Client, tmp_path: Path
) -> None:
    settings = ["federation.nodes=4", "adversaries.nodes=1", "adversaries.kind=scale"]
    large = submit(shared_client, *settings, "adversaries.scale=100", "federation.rounds=2")
    result = result_of(shared_client, large, tmp_path)
    assert [entry["participants"] for entry in result["history"]] == [3, 3]
    assert "this run's limit is" in result["history"][0]["missing"]["2"]
    node = shared_client.node("node-3")
    assert [(r["kind"], r["asked_for"]) for r in node["refusals"]] == [("norm", True)] * 2
    assert node["offences"] == 0

    clipped = submit(shared_client, *settings, "adversaries.scale=100", "screening.over=clip")
    result = result_of(shared_client, clipped, tmp_path)
    assert [entry["participants"] for entry in result["history"]] == [4] * 3
    assert "a long update was shortened: " in result["history"][0]["bounded"]["2"]
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
