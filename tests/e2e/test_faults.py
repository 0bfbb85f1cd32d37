"""Things die while a run goes on; the run goes on too, and its result is the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from fedbed.client import Client
from fedbed.testbed import LocalTestbed, Process
from tests.e2e.bench import (
    LONG_ROUNDS,
    await_training,
    nothing_left,
    result_of,
    run_in,
    state_of,
    submit,
    wait_for,
)

pytestmark = pytest.mark.e2e
FIVE_ROUNDS = [*LONG_ROUNDS, "federation.rounds=5"]
PATIENT = [
    *FIVE_ROUNDS,
    "federation.rejoin_grace=30s",
    "codec.up=small",
    "codec.down=int8",
]
"""With patience a lost node's part is waited for, so the participants stay the same.

The codec rounds by chance and keeps residuals on the nodes, which must outlive what happens too.
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Hash of the model that PATIENT gives when nothing happens."""
    with LocalTestbed(nodes=2) as testbed, Client(testbed.url) as client:
        result = result_of(client, submit(client, *PATIENT), tmp_path_factory.mktemp("undisturbed"))
    return str(result["model_sha256"])


def kill(process: Process | psutil.Process) -> None:
    """SIGKILL: no chance to say goodbye."""
    os.kill(process.pid, signal.SIGKILL)


def test_a_killed_agent_is_noticed_and_takes_part_again(
    testbed: LocalTestbed, client: Client, tmp_path: Path
) -> None:
    run_id = submit(client, *FIVE_ROUNDS)
    await_training(client, run_id, 2)
    victim = testbed.process("node-2")
    before = next(n["id"] for n in client.nodes() if n["name"] == "node-2")
    kill(victim)
    wait_for(client, lambda p: state_of(p, "node-2") == "offline", "node-2 offline")
    wait_for(client, lambda p: run_in(p, run_id)["round"] >= 3, "the round to close without it")
    victim.popen.wait()
    testbed.start_node("node-2")
    wait_for(client, lambda p: state_of(p, "node-2") == "training", "node-2 back in training")
    result = result_of(client, run_id, tmp_path)

    assert next(n["id"] for n in client.nodes() if n["name"] == "node-2") == before
    lone = [r for r in result["history"] if r["participants"] == 1]
    assert lone and lone[0]["missing"] == {"1": "the node was lost"}
    assert result["history"][-1]["participants"] == 2
    assert result["verdict"]["status"] == "tainted"
    assert any("went without node-2" in why for why in result["verdict"]["reasons"])


def test_a_frozen_agent_is_noticed_and_thaws(
    testbed: LocalTestbed, client: Client, tmp_path: Path
) -> None:
    run_id = submit(client, *FIVE_ROUNDS)
    await_training(client, run_id, 2)
    frozen = testbed.process("node-1")
    os.kill(frozen.pid, signal.SIGSTOP)
    try:
        wait_for(client, lambda p: state_of(p, "node-1") == "offline", "node-1 offline")
        wait_for(client, lambda p: run_in(p, run_id)["round"] >= 3, "the round to close")
    finally:
        os.kill(frozen.pid, signal.SIGCONT)
    wait_for(client, lambda p: state_of(p, "node-1") != "offline", "node-1 back")
    result = result_of(client, run_id, tmp_path)
    assert result["rounds"] == 5
    assert 1 in [r["participants"] for r in result["history"]]


@pytest.mark.parametrize("victim", ["agent", "worker", "run", "coordinator"])
def test_whatever_is_killed_the_model_is_the_same(
    victim: str, testbed: LocalTestbed, client: Client, tmp_path: Path, undisturbed: str
) -> None:
    run_id = submit(client, *PATIENT)
    await_training(client, run_id, 2)
    if victim == "agent":
        agent = testbed.process("node-2")
        kill(agent)
        agent.popen.wait()
        testbed.start_node("node-2")
    elif victim == "worker":
        (worker,) = psutil.Process(testbed.process("node-2").pid).children()
        kill(worker)
    elif victim == "run":
        (run_process,) = psutil.Process(testbed.process("coordinator").pid).children()
        kill(run_process)
    else:
        coordinator = testbed.process("coordinator")
        kill(coordinator)
        coordinator.popen.wait()
        testbed.restart_coordinator()
    result = result_of(client, run_id, tmp_path)
    assert result["rounds"] == 5
    assert [r["participants"] for r in result["history"]] == [2] * 5
    assert result["model_sha256"] == undisturbed
    if victim == "worker":
        assert any("node-2 had to try again" in why for why in result["verdict"]["reasons"])
        (retried,) = [r["retried"] for r in result["history"] if r["retried"]]
        assert retried[0][0] == 1


def test_nodes_come_and_go_while_a_run_is_on(tmp_path: Path) -> None:
    settings = [*LONG_ROUNDS, "federation.rounds=8", "federation.nodes=3", "federation.min_nodes=2"]
    with nothing_left(), LocalTestbed(nodes=2) as testbed, Client(testbed.url) as client:
        run_id = submit(client, *settings)
        await_training(client, run_id, 1)
        testbed.start_node("late")
        wait_for(client, lambda p: state_of(p, "late") == "training", "the newcomer in training")
        wait_for(
            client,
            lambda p: any(r["participants"] == 3 for r in run_in(p, run_id)["history"]),
            "a round of three",
        )
        leaver = testbed.process("node-1")
        leaver.popen.terminate()
        assert leaver.popen.wait() == 0
        wait_for(client, lambda p: state_of(p, "node-1") == "offline", "node-1 gone")
        testbed.start_node("substitute")
        wait_for(client, lambda p: state_of(p, "substitute") == "training", "its substitute")
        result = result_of(client, run_id, tmp_path)
    names = [{n["name"] for n in r["nodes"]} for r in result["history"]]
    assert names[0] == {"node-1", "node-2"}
    assert {"node-1", "node-2", "late"} in names
    assert names[-1] == {"late", "node-2", "substitute"}
    sizes = {n["name"]: n["metrics"]["num-examples"] for n in result["history"][-1]["nodes"]}
    assert sum(sizes.values()) == 8000


@pytest.fixture
def impostors(testbed: LocalTestbed, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Two agents that must not get in: the same name, and the same state folder."""
    same_name = testbed.start_node("node-1", "--state-dir", str(tmp_path / "another"))
    same_folder = testbed.start_node("node-1")
    yield {"name": same_name, "folder": same_folder}


def test_a_second_agent_of_the_same_name_is_told_so(
    impostors: dict[str, Process], client: Client
) -> None:
    for impostor in impostors.values():
        assert impostor.popen.wait(30) == 7
    words = impostors["name"].log.read_text()
    assert "another node is called 'node-1'" in words
    assert "another agent already runs with the state folder" in words
    assert "Traceback" not in words
    assert [n["state"] for n in client.nodes()] == ["ready", "ready"]
