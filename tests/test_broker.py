"""What the project ships for Mosquitto, with a real one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedbed.telemetry import topics
from tests.broker import Broker, broker, until
from tests.telegraf import BROKERS_LOG, complaint

DENIED = "Not authorized"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker(tmp_path_factory.mktemp("broker")) as made:
        yield made


@pytest.mark.parametrize("kind", [topics.PRESENCE, topics.STATE, topics.SAMPLES, topics.ANSWER])
def test_a_node_speaks_as_itself_alone(shared: Broker, kind: str) -> None:
    with shared.client("pi-1") as node:
        assert node.publish(topics.topic("pi-1", kind), "x") == "Success"
        assert node.publish(topics.topic("pi-2", kind), "x") == DENIED


def test_a_node_commands_nobody_and_hears_only_what_is_for_it(shared: Broker) -> None:
    mine, others = topics.topic("pi-1", topics.COMMAND), topics.topic("pi-2", topics.COMMAND)
    with shared.client("pi-1", topics.everybody("#"), "#") as node, shared.client("operator") as op:
        assert node.publish(mine, "x") == DENIED
        assert node.publish(others, "x") == DENIED
        assert op.publish(others, "for another") == "Success"
        assert op.publish(topics.topic("pi-2", topics.SAMPLES), "x") == DENIED
        assert op.publish(mine, "for it") == "Success"
        until(lambda: node.of(mine), "the node's own command")
        assert {message.topic for message in node.messages} == {mine}


@pytest.mark.parametrize("user", ["operator", "coordinator", "telegraf"])
def test_who_hears_nodes_and_who_commands_them(shared: Broker, user: str) -> None:
    may_command = user != "telegraf"
    with shared.client("pi-1") as node, shared.client(user, "#") as other:
        for kind in (topics.PRESENCE, topics.STATE, topics.SAMPLES):
            name = topics.topic("pi-1", kind)
            node.publish(name, "heard")
            until(lambda name=name: other.of(name), name)  # type: ignore[misc]
        command = topics.topic("pi-1", topics.COMMAND)
        assert other.publish(command, "x") == ("Success" if may_command else DENIED)


def test_plugs_say_what_they_measure_and_nothing_as_a_node(shared: Broker) -> None:
    with shared.client("plugs") as plug, shared.client("pi-1", "#") as node:
        for topic in (
            *("tele/pi-1/SENSOR", "pi-1/status/switch:0"),
            *("shellies/pi-1/relay/0/power", "shellies/pi-1/relay/0/energy"),
        ):
            assert plug.publish(topic, "5") == "Success"
            until(lambda topic=topic: node.of(topic), topic)  # type: ignore[misc]
        assert plug.publish("tele/pi-2/SENSOR", "5") == "Success"
        assert plug.publish(topics.topic("pi-1", topics.SAMPLES), "5") == DENIED
        assert not node.of("tele/pi-2/SENSOR")


def test_without_the_right_password_nobody_gets_in(shared: Broker) -> None:
    for user, password in (("pi-1", "wrong"), ("nobody", "pa55word")):
        with shared.client(user, password=password) as client:
            assert client.connected == DENIED


def test_ten_megabytes_end_their_senders_connection_and_reach_nobody(shared: Broker) -> None:
    samples, notices = topics.topic("pi-1", topics.SAMPLES), "$SYS/broker/log/N"
    with shared.client("telegraf", samples, "$SYS/broker/log/#") as reader:
        with shared.client("pi-1") as sender:
            sender.send(samples, b"x" * 10_000_000)
            until(lambda: sender.has_ended, "the end of its connection")
        with shared.client("pi-1") as sender:
            assert sender.publish(samples, "small") == "Success"
        until(lambda: reader.of(samples), "the next message")
        assert reader.of(samples) == [b"small"]
        (line,) = (each for each in reader.lines(notices) if complaint("N", each))
        assert re.fullmatch(r"Client \S+ .*disconnected due to oversize packet\.", line)
        assert shared.log.splitlines().count(line) == 1


@pytest.mark.parametrize("user", ["pi-1", "operator", "coordinator", "plugs"])
def test_nobody_but_telegraf_hears_the_brokers_log(shared: Broker, user: str) -> None:
    with shared.client("telegraf", "$SYS/#") as telegraf, shared.client(user, "$SYS/#") as other:
        assert other.publish("$SYS/broker/log/N", "made up") == DENIED
        assert not shared.lets_in("pi-2", "wrong")
        until(lambda: "not authorised" in str(telegraf.lines("$SYS/broker/log/N")), "its line")
        # What was for it would have come before the answer to this.
        assert other.publish("$SYS/broker/log/N", "made up") == DENIED
        assert other.messages == []
        assert {message.topic for message in telegraf.messages} <= set(BROKERS_LOG)


def test_what_is_retained_outlives_a_restart(tmp_path: Path) -> None:
    presence = topics.topic("pi-1", topics.PRESENCE)
    with broker(tmp_path) as made:
        with made.client("pi-1") as node:
            node.publish(presence, "here", retain=True)
        made.stop()
        made.start()
        with made.client("operator", presence) as reader:
            until(lambda: reader.of(presence) == [b"here"], "what was retained")
