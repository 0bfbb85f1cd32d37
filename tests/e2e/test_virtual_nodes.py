"""Several participants on one node: the same model as on nodes of their own, whatever dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedbed.client import Client
from fedbed.testbed import LocalTestbed
from tests.e2e.bench import await_training, nothing_left, result_of, submit, wait_for

pytestmark = pytest.mark.e2e
SIX = [
    "federation.nodes=6",
    "federation.fraction=0.67",
    "federation.rounds=4",
    "federation.rejoin_grace=30s",
    "federation.local_epochs=15",
    "federation.evaluate=both",
    "data.partition=dirichlet",
    "codec.up=small",
]
"""Four of six train in each round; residuals stay on the nodes, for each participant its own."""
ON_TWO = [*SIX, "federation.agents=2"]


@pytest.fixture(scope="module")
def on_six_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Hash of the model that six real nodes make."""
    with nothing_left(), LocalTestbed(nodes=6) as testbed, Client(testbed.url) as client:
        result = result_of(client, submit(client, *SIX), tmp_path_factory.mktemp("six"))
        assert result["virtual"] is None
        yield str(result["model_sha256"])


def test_six_on_two_agents_are_the_same_as_six_on_six(
    client: Client, tmp_path: Path, on_six_nodes: str
) -> None:
    run_id = submit(client, *ON_TWO)
    running = wait_for(client, lambda p: next((r for r in p["runs"] if r["roster"]), None), "run")
    assert (running["nodes"], running["agents"]) == (6, 2)
    assert running["roster"] == ["node-1", "node-2"]
    result = result_of(client, run_id, tmp_path)
    assert result["model_sha256"] == on_six_nodes
    assert result["virtual"] == {"nodes": 6, "agents": 2, "text": "6 virtual nodes on 2 agents"}
    assert result["verdict"] == {
        "status": "clean",
        "reasons": [],
        "note": "6 virtual nodes on 2 agents",
    }
    assert [node["name"] for node in result["nodes"]] == [
        "node-1/0", "node-2/1", "node-1/2", "node-2/3", "node-1/4", "node-2/5",
    ]  # fmt: skip
    assert {node["host"] for node in result["nodes"]} == {"node-1", "node-2"}
    assert [row["participants"] for row in result["history"]] == [4] * 4
    said = [event["text"] for event in client.live(0, 0.0)["events"]]
    assert f"run {run_id} begins with 6 virtual nodes on 2 agents" in said


def test_a_killed_agent_comes_back_with_all_that_it_plays(
    testbed: LocalTestbed, client: Client, tmp_path: Path, on_six_nodes: str
) -> None:
    run_id = submit(client, *ON_TWO)
    await_training(client, run_id, 2)
    os.kill(testbed.process("node-2").pid, signal.SIGKILL)
    lost = wait_for(client, lambda p: p["runs"][0]["wait"] if "silent" in str(p) else "", "loss")
    assert lost.count("node-2") == 1, "once, and not for each part that it plays"
    testbed.start_node("node-2")
    result = result_of(client, run_id, tmp_path)
    assert result["model_sha256"] == on_six_nodes
    assert [row["participants"] for row in result["history"]] == [4] * 4


def test_a_lost_agent_is_missed_with_all_that_it_plays(
    testbed: LocalTestbed, client: Client, tmp_path: Path
) -> None:
    changes = ["federation.fraction=1.0", "federation.rejoin_grace=0s", "federation.rounds=2"]
    # Long enough for the kill to come before its part has been sent, on a quick machine too.
    changes += ["federation.local_epochs=300", "federation.evaluate=server"]
    run_id = submit(client, *ON_TWO, *changes)
    await_training(client, run_id, 2)
    os.kill(testbed.process("node-2").pid, signal.SIGKILL)
    result = result_of(client, run_id, tmp_path)
    assert result["verdict"]["status"] == "tainted"
    assert [row["participants"] for row in result["history"]][-1] == 3
    reasons = [reason for reason in result["verdict"]["reasons"] if "went without" in reason]
    assert len(reasons) == 1, "all of it in one line"
    assert reasons[0].startswith("round 2 went without node-2/")
    assert reasons[0].endswith("the node was lost")
