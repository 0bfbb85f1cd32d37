"""The agent's side of the broker, with a real one."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent.activity import TRAINING, Activity
from edge_agent.broker import broker as module
from edge_agent.broker import connection, courier
from edge_agent.broker.broker import Broker as Speaker
from edge_agent.broker.settings import BrokerSettings
from edge_agent.plugs import Plug
from fedbed.authority import make_ca
from fedbed.telemetry import topics
from fedbed.telemetry.outbox import Limits, Outbox
from fedbed.telemetry.point import Point
from tests.broker import Broker, Client, until

PRESENCE, STATE, SAMPLES, COMMAND, ANSWER = (topics.topic("pi-1", kind) for kind in topics.KINDS)
ALL = topics.everybody("+")
USUAL = Limits()


class Node:
    """An agent's speaker with what it stands on."""

    def __init__(self, settings: BrokerSettings, folder: Path, limits: Limits = USUAL) -> None:
        self.activity = Activity()
        self.outbox = Outbox(folder / "outbox", limits)
        self.speaker = Speaker(
            settings,
            "pi-1",
            self.outbox,
            self.activity,
            {"identify": lambda: "blinks"},
            {"node": "pi-1", "agent": "0"},
            time.time_ns,
        )

    def deliver(self, *times: int) -> None:
        self.speaker.deliver(
            [Point("fedbed_cpu", {"node": "pi-1"}, {"load1": 1.0}, t) for t in times]
        )


Start = Callable[..., Node]


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests needn't wait as long as nodes do."""
    monkeypatch.setattr(courier, "EVERY_S", 0.3)
    monkeypatch.setattr(courier, "REFUSED_S", 0.5)
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 1.0)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    nodes: list[Node] = []

    def start(broker: Broker, limits: Limits = USUAL, **changes: Any) -> Node:
        settings = BrokerSettings(
            "127.0.0.1", broker.port, False, "pi-1", password_file=broker.password_file
        )
        node = Node(replace(settings, **changes), tmp_path / "state", limits)
        node.speaker.start()
        nodes.append(node)
        return node

    yield start
    for node in nodes:
        node.speaker.stop()


def samples(reader: Client) -> list[int]:
    """Times of the points that the tests delivered, in the order of their coming."""
    return [
        int(line.split()[-1]) for line in reader.lines(SAMPLES) if line.startswith("fedbed_cpu")
    ]


def states(reader: Client) -> list[str]:
    return [
        line.split('state="')[1].split('"')[0]
        for line in reader.lines(SAMPLES)
        if line.startswith("fedbed_state")
    ]


def kept(broker: Broker, topic: str) -> Any:
    """What a newcomer is told on a topic."""
    with broker.client("operator", topic) as reader:
        return json.loads(until(lambda: reader.of(topic), topic)[0])


def test_birth_state_and_goodbye_are_kept_for_newcomers(shared: Broker, start: Start) -> None:
    with shared.client("operator", ALL) as reader:
        node = start(shared)
        until(lambda: reader.objects(STATE), "the first state")
        assert kept(shared, PRESENCE) == {
            "online": True,
            "node": "pi-1",
            "agent": "0",
            "commands": ["identify"],
        }
        assert kept(shared, STATE) == {"state": "idle", "run": "", "round": 0}
        node.speaker.stop()
    assert kept(shared, PRESENCE) == {"online": False, "reason": "stopped"}
    assert kept(shared, STATE) == {"state": "offline", "run": "", "round": 0}


def test_a_change_of_state_is_told_at_once_and_as_a_point(shared: Broker, start: Start) -> None:
    with shared.client("operator", ALL) as reader:
        node = start(shared)
        until(lambda: states(reader) == ["idle"], "the first state")
        began = time.monotonic()
        node.activity.now(TRAINING, "run-1", 3)
        told = {"state": "training", "run": "run-1", "round": 3}
        until(lambda: told in reader.objects(STATE), "the change")
        until(lambda: states(reader)[-1:] == ["training"], "its point")
        # Without hurry it would have waited for `EVERY_S`; load may slow all of this down.
        assert time.monotonic() - began < 5
        node.activity.now("idle")
        node.activity.drained(True)
        until(
            lambda: {"state": "draining", "run": "", "round": 0} in reader.objects(STATE), "drain"
        )


def test_states_that_change_all_the_time_are_told_now_and_then(
    shared: Broker, start: Start
) -> None:
    with shared.client("operator", ALL) as reader:
        node = start(shared)
        until(lambda: states(reader), "the first state")
        began = time.monotonic()
        for number in range(200):
            node.activity.now(TRAINING, "run", number)
            time.sleep(0.005)
        lasted = time.monotonic() - began
        until(lambda: reader.objects(STATE)[-1]["round"] == 199, "the last state")
        # Every change is a point; the topic tells the latest, a few times a second.
        until(lambda: len([s for s in states(reader) if s == TRAINING]) >= 200, "all points")
        assert len(reader.objects(STATE)) < 10 + lasted / courier.APART_S


def test_samples_come_as_lines_in_order(shared: Broker, start: Start) -> None:
    with shared.client("telegraf", SAMPLES) as reader:
        node = start(shared)
        node.deliver(1, 2)
        node.deliver(3)
        until(lambda: samples(reader) == [1, 2, 3], "the samples")
        assert "fedbed_cpu,node=pi-1 load1=1.0 2" in reader.lines(SAMPLES)
        until(lambda: node.outbox.waiting == 0, "the acknowledgement")


def test_a_command_is_answered(shared: Broker, start: Start) -> None:
    with shared.client("operator", ANSWER) as op:
        start(shared)
        until(lambda: kept(shared, PRESENCE)["online"], "the node")
        assert op.publish(COMMAND, '{"id": "7", "command": "identify"}') == "Success"
        assert op.publish(COMMAND, b"x" * 70_000) == "Success"
        until(lambda: len(op.objects(ANSWER)) == 2, "the answers")
        first, second = sorted(op.objects(ANSWER), key=lambda a: a["id"], reverse=True)
        assert first == {"id": "7", "command": "identify", "ok": True, "text": "blinks"}
        assert "70000 bytes are no command" in second["reason"]


def test_a_command_that_was_retained_is_of_another_time(shared: Broker, start: Start) -> None:
    with shared.client("operator", ANSWER) as op:
        op.publish(COMMAND, '{"id": "old", "command": "identify"}', retain=True)
        start(shared)
        until(lambda: kept(shared, PRESENCE)["online"], "the node")
        op.publish(COMMAND, '{"id": "new", "command": "identify"}')
        op.publish(COMMAND, "", retain=True)
        until(lambda: [a for a in op.objects(ANSWER) if a["id"] == "new"], "the answer")
        assert not [answer for answer in op.objects(ANSWER) if answer["id"] == "old"]


def test_what_a_plug_measures_becomes_samples(shared: Broker, start: Start) -> None:
    with shared.client("telegraf", SAMPLES) as reader, shared.client("plugs") as plug:
        start(shared, plug=Plug("shelly", "pi-1"))
        until(lambda: states(reader), "the node")
        for total in (100.0, 101.5):
            said = {"apower": 5.5, "aenergy": {"total": total}}
            plug.publish("pi-1/status/switch:0", json.dumps(said))
        line = "fedbed_power,method=measured,node=pi-1,rail=plug power=5.5,energy=5400.0 "
        until(
            lambda: any(one.startswith(line) for one in reader.lines(SAMPLES)), "the second sample"
        )


def test_while_the_broker_is_away_samples_wait_and_come_later_in_order(
    own: Broker, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = start(own, limits=Limits(memory_bytes=2000, batch_bytes=500, free_bytes=0))
    with own.client("telegraf", SAMPLES) as reader:
        node.deliver(1)
        until(lambda: samples(reader) == [1], "the first sample")
    own.stop()
    for number in range(2, 302):
        node.deliver(number)
        node.outbox.tidy()  # as the broker's thread does, in time
    folder = node.outbox._folder
    until(lambda: list(folder.glob("*.lines")), "what was too much for the memory")
    own.start()
    with own.client("telegraf", SAMPLES) as reader:
        until(lambda: samples(reader)[-1:] == [301], "the last sample")
        came = list(dict.fromkeys(samples(reader)))
        assert came == list(range(2, 302))
    assert node.outbox.dropped == 0
    until(lambda: not list(folder.glob("*.lines")), "no files")


def test_samples_that_nobody_listens_to_wait(own: Broker, start: Start) -> None:
    node = start(own)
    node.deliver(1, 2)
    until(lambda: kept(own, PRESENCE)["online"], "the node")
    time.sleep(3)
    assert node.outbox.waiting >= 2
    node.speaker.stop()
    with own.client("telegraf", SAMPLES) as reader:
        start(own)
        until(lambda: samples(reader) == [1, 2], "the samples, in the next life")


def test_beyond_all_bounds_the_oldest_samples_are_dropped_and_counted(
    own: Broker, start: Start
) -> None:
    own.stop()
    limits = Limits(memory_bytes=1000, disk_bytes=3000, batch_bytes=500, free_bytes=0)
    node = start(own, limits=limits)
    for number in range(1, 1001):
        node.deliver(number)
        node.outbox.tidy()
    until(lambda: node.outbox.dropped > 500, "dropped points")
    own.start()
    with own.client("telegraf", SAMPLES) as reader:
        until(lambda: samples(reader)[-1:] == [1000], "the newest sample")
        came = list(dict.fromkeys(samples(reader)))
    assert came == list(range(came[0], 1001))
    assert len(came) < 200


def test_a_broker_that_freezes_is_noticed_and_does_not_hold_up_the_end(
    own: Broker, start: Start
) -> None:
    node = start(own)
    until(lambda: kept(own, PRESENCE)["online"], "the node")
    assert own.process is not None
    os.kill(own.process.pid, signal.SIGSTOP)
    try:
        node.deliver(1)
        began = time.monotonic()
        node.speaker.stop()
        assert time.monotonic() - began < module.STOP_S + 5
        again = Outbox(node.outbox._folder)
        again.open()
        assert again.waiting >= 1
    finally:
        os.kill(own.process.pid, signal.SIGCONT)


def test_a_broker_that_acknowledges_nothing_is_left_and_found_again(
    own: Broker,
    start: Start,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(courier, "PATIENCE_S", 1.0)
    with own.client("telegraf", SAMPLES) as reader:
        node = start(own)
        node.deliver(1)
        until(lambda: samples(reader) == [1], "the first sample")
        assert own.process is not None
        os.kill(own.process.pid, signal.SIGSTOP)
        try:
            node.deliver(2, 3)
            until(lambda: any("acknowledges nothing" in w for w in warnings(caplog)), "the line")
        finally:
            os.kill(own.process.pid, signal.SIGCONT)
        node.deliver(4)
        until(lambda: samples(reader)[-1:] == [4], "the last sample")
        # What it had in its socket came, too, and the same once more with the next connection.
        assert list(dict.fromkeys(samples(reader))) == [1, 2, 3, 4]
        until(lambda: node.outbox.waiting == 0, "the acknowledgement")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.parametrize("what", ["password", "user", "closed port", "other program"])
def test_why_it_cannot_connect_is_said_in_one_line(
    shared: Broker, start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "wrong").write_text("wr0ng")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cases: dict[str, dict[str, Any]] = {
            "password": {"password_file": tmp_path / "wrong"},
            "user": {"user": "nobody"},
            "closed port": {"port": 1},
            "other program": {"port": listener.getsockname()[1]},
        }
        expected = {
            "password": "doesn't know the user 'pi-1' by this password",
            "user": "doesn't know the user 'nobody' by this password",
            "closed port": "no answer from the broker at mqtt://127.0.0.1:1 (Connection refused)",
            "other program": "doesn't answer like an MQTT broker",
        }[what]
        start(shared, **cases[what])
        until(lambda: warnings(caplog), "the line")
        time.sleep(2.5 if what == "closed port" else 0)
        (line,) = warnings(caplog)
        assert expected in line
        assert line.endswith("Samples wait; trying again until it works.")
        assert "wr0ng" not in caplog.text


def test_with_tls_only_the_right_ca_is_trusted(
    shared: Broker, start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_ca(tmp_path / "other")
    tls = {"host": "localhost", "port": shared.tls_port, "tls": True}
    stranger = start(shared, **tls, ca=tmp_path / "other" / "ca.pem")
    (line,) = until(lambda: warnings(caplog), "the line")
    assert "was not issued by the CA in" in line
    assert "is that the ca.pem of this broker?" in line
    stranger.speaker.stop()
    with shared.client("telegraf", SAMPLES) as reader:
        node = start(shared, **tls, ca=shared.ca)
        node.deliver(1)
        until(lambda: samples(reader) == [1], "the sample")
    node.speaker.stop()
    caplog.clear()
    start(shared, **{**tls, "host": "127.0.0.1"}, ca=shared.ca)
    (line,) = until(lambda: warnings(caplog), "the line on the name")
    assert "is for other names" in line


def test_many_lives_leave_no_sockets_behind(shared: Broker, start: Start) -> None:
    def held() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    start(shared).speaker.stop()
    before = held()
    for _ in range(5):
        start(shared).speaker.stop()
    assert held() <= before


def test_what_an_acl_forbids_waits_and_is_said_once(
    own: Broker, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    own.stop()
    rules = (own.folder / "acl").read_text()
    (own.folder / "acl").write_text(rules.replace("%u/samples", "%u/other"))
    own.start()
    node = start(own)
    node.deliver(1)
    until(lambda: any("Not authorized" in line for line in warnings(caplog)), "the line")
    assert node.outbox.waiting >= 1
