"""A node that is slowed down: rounds go on without it, kindly, and it stays part of the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedbed.client import Client
from tests.e2e.bench import result_of, submit

pytestmark = pytest.mark.e2e
SLOW = ("federation.nodes=4", "stragglers.nodes=1", "data.train_samples=8000")


def test_a_straggler_is_waited_for_and_takes_as_long_as_it_says(
    shared_client: Client, tmp_path: Path
) -> None:
    settings = (*SLOW, "stragglers.factor=6", "federation.local_epochs=10", "federation.rounds=2")
    result = result_of(shared_client, submit(shared_client, *settings), tmp_path)
    straggler = result["stragglers"]["partitions"][0]
    assert [node.get("slowed") for node in result["nodes"]].count(6.0) == 1
    assert result["nodes"][straggler]["slowed"] == 6.0
    for entry in result["history"]:
        assert entry["participants"] == 4
        (timeline,) = [n["timeline"] for n in entry["nodes"] if n["partition"] == straggler]
        # It waits: the time passes, and is no computing.
        assert timeline["work_s"] > 2 * timeline["cpu_s"]
    wanted = "1 of 4 nodes trains 6 times as long, as the experiment asks"
    assert result["stragglers"]["text"] == wanted
    assert wanted in (tmp_path / result["id"] / "report.html").read_text()
    assert wanted in [event["text"] for event in shared_client.live()["events"]]


def test_the_model_is_that_of_a_run_without_stragglers(
    shared_client: Client, tmp_path: Path
) -> None:
    settings = ("federation.nodes=4", "federation.rounds=2", "stragglers.factor=2")
    models = {
        result_of(
            shared_client, submit(shared_client, *settings, f"stragglers.nodes={n}"), tmp_path
        )["model_sha256"]
        for n in (0, 1)
    }
    assert len(models) == 1


def test_a_round_closes_at_its_deadline_and_the_straggler_drops_its_work(
    shared_client: Client, tmp_path: Path
) -> None:
    # By far too slow for any deadline; it tests each round's model nevertheless, in time.
    settings = (
        *SLOW, "stragglers.factor=1000", "federation.local_epochs=5", "federation.rounds=2",
        "federation.deadline=12s", "federation.evaluate=nodes",
    )  # fmt: skip
    result = result_of(shared_client, submit(shared_client, *settings), tmp_path)
    straggler = str(result["stragglers"]["partitions"][0])
    for entry in result["history"]:
        assert (entry["asked"], entry["participants"]) == (4, 3)
        assert entry["missing"] == {straggler: "too late"}
        assert entry["reason"] == "deadline"
        assert list(entry["scores"]) == ["0", "1", "2", "3"]
    node = shared_client.node(result["nodes"][int(straggler)]["name"])
    assert (node["offences"], node["drained"]) == (0, False)


def test_the_limit_follows_the_quick_ones(shared_client: Client, tmp_path: Path) -> None:
    settings = (
        *SLOW, "stragglers.factor=100", "federation.local_epochs=5", "federation.rounds=4",
        "federation.pace.factor=2", "federation.pace.least=100ms",
    )  # fmt: skip
    result = result_of(shared_client, submit(shared_client, *settings), tmp_path)
    straggler = str(result["stragglers"]["partitions"][0])
    for entry in result["history"]:
        # Three quarters are in long before the straggler, and have said how long it takes.
        assert entry["limit_s"] < 60.0
        assert entry["missing"][straggler] == "too late"
    assert result["final"]["federated"] > 0.6
