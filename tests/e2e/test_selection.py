"""Runs whose rounds ask a part of the nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedbed.client import Client
from fedbed.testbed import LocalTestbed
from tests.e2e.bench import await_end, nothing_left, result_of, submit

pytestmark = pytest.mark.e2e
FOUR = ("federation.nodes=4", "federation.rounds=4")


@pytest.mark.parametrize("name", ["random", "fedcs", "oort", "tiers"])
def test_half_of_the_nodes_each_round(shared_client: Client, tmp_path: Path, name: str) -> None:
    half = ("federation.fraction=0.5", f"federation.selection={name}", "federation.evaluate=both")
    run_id = submit(shared_client, *FOUR, *half)
    result = result_of(shared_client, run_id, tmp_path)
    assert result["selection"]["name"] == name
    for entry in result["history"]:
        asked = sorted(p for _, group in entry["selection"]["because"] for p in group)
        assert asked == [node["partition"] for node in entry["nodes"]]
        assert entry["asked"] == len(asked) == 2
        # All test the model, whoever was chosen to train.
        assert list(entry["scores"]) == ["0", "1", "2", "3"]
    assert result["final"]["federated"] > 0.6
    said = [event["text"] for event in shared_client.live()["events"]]
    assert any(f"round 1: {name} asks 2 of 4 nodes: node-" in text for text in said)


def test_the_first_of_more_than_are_needed_count(shared_client: Client, tmp_path: Path) -> None:
    spare = ("federation.fraction=0.5", "federation.over_selection=0.5")
    run_id = submit(shared_client, *FOUR, *spare, "federation.selection=random")
    result = result_of(shared_client, run_id, tmp_path)
    assert [entry["asked"] for entry in result["history"]] == [3] * 4
    assert [entry["participants"] for entry in result["history"]] == [2] * 4


def test_nodes_by_label(tmp_path: Path) -> None:
    label = "federation.selection={name: label, args: {target: {device: nano}}}"
    two = ("federation.nodes=2", "federation.rounds=2", label)
    with nothing_left(), LocalTestbed(nodes=0) as testbed, Client(testbed.url) as client:
        testbed.start_node("board", "--label", "device=nano")
        testbed.start_node("laptop", "--label", "device=laptop")
        result = result_of(client, submit(client, *two), tmp_path)
        failed = await_end(client, submit(client, *two[:2], label.replace("nano", "orin")))
    for entry in result["history"]:
        assert [node["name"] for node in entry["nodes"]] == ["board"]
        assert entry["selection"]["because"] == [["device=nano", [0]]]
    assert (failed["state"], failed["error_code"]) == ("failed", "NodesMissing")
    assert failed["error"].startswith(
        "selection 'label' chooses nobody: no node here carries device=orin (board: device=nano; "
    )
    assert failed["history"] == []
