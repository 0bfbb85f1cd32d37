"""Whole agents, a coordinator and a real broker."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fedbed.client import Client
from fedbed.telemetry import topics
from fedbed.testbed import LocalTestbed
from tests.broker import PASSWORD, Broker, broker, until
from tests.broker import Client as Listener
from tests.e2e import bench
from tests.parts import shifted

pytestmark = pytest.mark.e2e
NODES = ("node-1", "node-2")
ALL = topics.everybody("+")


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker(tmp_path_factory.mktemp("broker")) as made:
        made.add_users(NODES)
        made.stop()
        made.start()
        yield made


@pytest.fixture(scope="module")
def bed(away: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTestbed]:
    env = {"FEDBED_BROKER": away.url, "FEDBED_BROKER_PASSWORD": PASSWORD}
    with LocalTestbed(nodes=2, state_dir=tmp_path_factory.mktemp("bed"), env=env) as made:
        yield made


@pytest.fixture
def client(bed: LocalTestbed) -> Iterator[Client]:
    with bed.client() as made:
        yield made


def told(reader: Listener, node: str, kind: str) -> list[dict[str, Any]]:
    return reader.objects(topics.topic(node, kind))


def await_birth(reader: Listener, node: str) -> None:
    """Wait until the latest that is told of a node is that it is there."""
    until(lambda: any(p["online"] for p in told(reader, node, topics.PRESENCE)[-1:]), node)


def states_of(reader: Listener, node: str) -> list[str]:
    """The node's states by its points, in their order; the same one in a row is one."""
    found: list[str] = []
    lines = reader.lines(topics.topic(node, topics.SAMPLES))
    for line in sorted(set(lines), key=lambda line: int(line.split()[-1])):
        if line.startswith("fedbed_state,"):
            state = line.split('state="')[1].split('"')[0]
            if found[-1:] != [state]:
                found.append(state)
    return found


def ask(op: Listener, node: str, command: str) -> dict[str, Any]:
    """Send a command; returns the answer."""
    said = {"id": f"{command}-{time.monotonic()}", "command": command}
    assert op.publish(topics.topic(node, topics.COMMAND), json.dumps(said)) == "Success"

    def answer() -> list[dict[str, Any]]:
        return [a for a in told(op, node, topics.ANSWER) if a["id"] == said["id"]]

    found: dict[str, Any] = until(answer, f"an answer to {command}")[0]
    return found


def test_a_run_is_seen_at_the_broker(away: Broker, bed: LocalTestbed, client: Client) -> None:
    with away.client("operator", ALL) as reader:
        run = bench.submit(client)
        assert bench.await_end(client, run)["state"] == "finished"
        for node in NODES:
            until(lambda node=node: "uploading" in states_of(reader, node), node)  # type: ignore[misc]
            until(lambda node=node: states_of(reader, node)[-1] == "idle", node)  # type: ignore[misc]
            seen = states_of(reader, node)
            # Work may be the first that it hears of its coordinator, and with that of the time.
            begun = seen[1:] if seen[0] == "idle" else seen
            assert begun[:3] == ["downloading", "training", "uploading"]
            (birth,) = [said for said in told(reader, node, topics.PRESENCE) if said["online"]][:1]
            assert birth["sample_interval_s"] == 1.0
            rounds = {
                line.split("round=")[1].split("i")[0]
                for line in reader.lines(topics.topic(node, topics.SAMPLES))
                if 'state="training"' in line
            }
            assert rounds == {"1", "2", "3"}


def test_a_killed_agent_is_offline_at_once(away: Broker, bed: LocalTestbed) -> None:
    presence = topics.topic("node-2", topics.PRESENCE)
    with away.client("operator", presence) as reader:
        await_birth(reader, "node-2")
        began = time.monotonic()
        os.kill(bed.process("node-2").pid, signal.SIGKILL)
        will = {"online": False, "reason": "lost"}
        until(lambda: reader.objects(presence)[-1] == will, "its last will")
        # At once: the broker is told by the kernel. Only load can make this longer than a second.
        assert time.monotonic() - began < 5
        bed.start_node("node-2")
        await_birth(reader, "node-2")


def test_drain_and_resume_reach_the_coordinator(
    away: Broker, bed: LocalTestbed, client: Client
) -> None:
    with away.client("operator", ALL) as op:
        bench.wait_for(client, lambda p: bench.state_of(p, "node-1") == "ready", "node-1")
        answer = ask(op, "node-1", "drain")
        assert (answer["ok"], answer["text"]) == (True, "it finishes what it has, and gets no more")
        bench.wait_for(client, lambda p: bench.state_of(p, "node-1") == "drained", "drained")
        until(lambda: told(op, "node-1", topics.STATE)[-1]["state"] == "draining", "its own word")
        assert ask(op, "node-1", "resume")["ok"]
        bench.wait_for(client, lambda p: bench.state_of(p, "node-1") == "ready", "ready")
        samples = topics.topic("node-1", topics.SAMPLES)
        event = 'fedbed_event,kind=node,node=node-1 text="node-1 is drained, by a command" '
        until(lambda: any(line.startswith(event) for line in op.lines(samples)), "the event")
        client.drain("node-1")
        refused = ask(op, "node-1", "resume")
        assert not refused["ok"]
        assert "only an operator can change that" in refused["reason"]
        client.drain("node-1", drained=False)


def test_a_worker_that_is_restarted_in_training_costs_no_run(
    away: Broker, bed: LocalTestbed, client: Client
) -> None:
    with away.client("operator", ALL) as op:
        run = bench.submit(client, *bench.LONG_ROUNDS, "federation.rounds=1")
        bench.await_training(client, run, 1)
        until(lambda: told(op, "node-1", topics.STATE)[-1]["state"] == "training", "training")
        assert ask(op, "node-1", "restart-worker")["ok"]
        assert bench.await_end(client, run)["state"] == "finished"


def test_a_broker_that_is_away_changes_no_model_and_hears_all_of_it_later(
    away: Broker, bed: LocalTestbed, client: Client, tmp_path: Path
) -> None:
    undisturbed = bench.result_of(client, bench.submit(client), tmp_path)
    away.stop()
    try:
        run = bench.submit(client)
        disturbed = bench.result_of(client, run, tmp_path)
    finally:
        away.start()
    assert disturbed["model_sha256"] == undisturbed["model_sha256"]

    def uploads(reader: Listener, node: str) -> list[str]:
        lines = reader.lines(topics.topic(node, topics.SAMPLES))
        return [line for line in lines if 'state="uploading"' in line and run in line]

    with away.client("telegraf", ALL) as reader:
        for node in NODES:
            until(lambda node=node: len(uploads(reader, node)) >= 3, node)  # type: ignore[misc]


def test_a_node_whose_clock_is_hours_off_dates_all_it_tells_by_the_coordinators(
    away: Broker, bed: LocalTestbed
) -> None:
    os.kill(bed.process("node-2").pid, signal.SIGKILL)
    bed.process("node-2").popen.wait(30)
    with away.client("telegraf", topics.topic("node-2", topics.SAMPLES)) as reader:
        began = time.time()
        bed.start_node("node-2", env=shifted("+5h"))

        def lines(of: str) -> list[str]:
            told = reader.lines(topics.topic("node-2", topics.SAMPLES))
            return [line for line in told if line.startswith(of)]

        until(lambda: "clock_offset" in " ".join(lines("fedbed_agent")), "its offset")
        until(lambda: lines("fedbed_state"), "its state")
        latest = [line for line in lines("fedbed_agent") if "clock_offset" in line][-1]
        ahead_s = float(latest.split("clock_offset=")[1].split(",")[0].split()[0])
        assert abs(ahead_s - 5 * 3600) < 60
        for line in lines("fedbed_"):
            assert began - 60 < int(line.split()[-1]) / 1e9 < time.time() + 1, line


def test_a_node_that_ends_in_order_says_so(away: Broker, bed: LocalTestbed) -> None:
    presence, state = (topics.topic("node-2", k) for k in (topics.PRESENCE, topics.STATE))
    with away.client("operator", presence, state) as reader:
        await_birth(reader, "node-2")
        bed.process("node-2").popen.terminate()
        assert bed.process("node-2").popen.wait(30) == 0
        until(lambda: reader.objects(presence)[-1]["online"] is False, "goodbye")
        assert reader.objects(presence)[-1] == {"online": False, "reason": "stopped"}
        assert reader.objects(state)[-1]["state"] == "offline"
        log = (bed.state_dir / "node-2.log").read_text()
        assert "speaks to the broker at" in log
        assert PASSWORD not in log
        assert "Traceback" not in log
