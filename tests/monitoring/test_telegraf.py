"""Telegraf's settings against a short list of what its manual knows of the plugins in use.

No Telegraf is to be had where this runs: it looks for slips, it doesn't prove that Telegraf starts.
https://docs.influxdata.com/telegraf/v1/plugins/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fedbed.telemetry import topics
from fedbed.telemetry.definition import by_name
from tests.telegraf import FLUSH_S, SHIPPED, complaint, load

ROOT = Path(__file__).resolve().parents[2]
ANY_INPUT = {"interval", "name_override", "namepass", "metricpass", "tagexclude"}
KNOWN = {
    "inputs.cpu": {"percpu", "totalcpu", "collect_cpu_time", "report_active"},
    "inputs.mem": set(),
    "inputs.disk": {"mount_points"},
    "inputs.diskio": {"devices"},
    "inputs.net": {"ignore_protocol_stats"},
    "inputs.system": set(),
    "inputs.internal": {"collect_memstats"},
    "inputs.docker": {
        "endpoint",
        "timeout",
        "container_state_include",
        "perdevice_include",
        "total_include",
        "docker_label_include",
        "docker_label_exclude",
    },
    "inputs.mqtt_consumer": {
        "servers",
        "tls_ca",
        "username",
        "password",
        "topics",
        "qos",
        "persistent_session",
        "client_id",
        "connection_timeout",
        "max_undelivered_messages",
        "data_format",
        "data_type",
        "value_field_name",
        "topic_tag",
        "topic_parsing",
    },
    "outputs.influxdb_v2": {
        "urls",
        "token",
        "organization",
        "bucket",
        "timeout",
        "content_encoding",
    },
    "outputs.health": {"service_address", "namepass", "tagpass", "compares"},
}
AGENT = {
    "interval",
    "round_interval",
    "flush_interval",
    "flush_jitter",
    "metric_batch_size",
    "metric_buffer_limit",
    "precision",
    "hostname",
}


def instances(settings: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each plugin by its full name, as often as it is used."""
    for kind in ("inputs", "outputs"):
        for name, used in settings[kind].items():
            yield from ((f"{kind}.{name}", options) for options in used)


def plugins(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each plugin by its full name; of one that is used twice, the first."""
    return dict(reversed(list(instances(settings))))


@pytest.mark.parametrize("name", ["telegraf.conf", "containers.conf"])
def test_uses_plugins_and_options_that_there_are(name: str) -> None:
    settings = load(name)
    assert set(settings) == {"agent", "inputs", "outputs"}
    assert set(settings["agent"]) <= AGENT
    for plugin, options in instances(settings):
        assert set(options) <= KNOWN[plugin] | ANY_INPUT, plugin


@pytest.mark.parametrize(
    ("name", "service"), [("telegraf.conf", "telegraf"), ("containers.conf", "telegraf-containers")]
)
def test_compose_gives_it_its_variables(name: str, service: str) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][service]
    named = set(re.findall(r"^[^#\n]*\$\{(\w+)\}", (SHIPPED / name).read_text(), re.MULTILINE))
    assert named == set(compose["environment"])
    health = plugins(load(name))["outputs.health"]["service_address"]
    assert f"{health}/" in compose["healthcheck"]["test"]


def test_hears_all_nodes_and_believes_the_topic_not_the_line() -> None:
    consumer = plugins(load("telegraf.conf"))["inputs.mqtt_consumer"]
    everybody = topics.everybody(topics.SAMPLES)
    assert consumer["topics"] == [everybody]
    (parsing,) = consumer["topic_parsing"]
    assert parsing["topic"] == everybody
    at = parsing["tags"].split("/").index("node")
    assert topics.topic("pi-01", topics.SAMPLES).split("/")[at] == "pi-01"
    assert len(parsing["tags"].split("/")) == len(everybody.split("/"))
    assert consumer["namepass"] == ["fedbed_*"]


def test_keeps_of_the_brokers_log_what_it_complains_of() -> None:
    _, consumer = load("telegraf.conf")["inputs"]["mqtt_consumer"]
    told = by_name()[consumer["name_override"]]
    assert told.field(consumer["value_field_name"]).type == consumer["data_type"]
    (parsing,) = consumer["topic_parsing"]
    at = parsing["tags"].split("/").index(told.tags[0].name)
    assert [topic.split("/")[at] for topic in consumer["topics"]] == ["E", "W", "N"]
    # Two clients of one name would cut each other off: this one gets one made up.
    assert "client_id" not in consumer


@pytest.mark.parametrize(
    ("level", "line", "is_kept"),
    [
        ("N", "Client pi-1 disconnected due to oversize packet.", True),
        ("N", "Client pi-1 disconnected due to malformed packet.", True),
        ("N", "Client <unknown> disconnected, not authorised.", True),
        ("N", "Outgoing messages are being dropped for client telegraf.", True),
        ("N", "New client connected from 127.0.0.1:40000 as pi-1 (p5, c1, k10, u'pi-1').", False),
        ("N", "Client pi-1 closed its connection.", False),
        ("N", "Client pi-1 disconnected.", False),
        ("E", "Error: No space left on device.", True),
        ("W", "Warning: Mosquitto should not be run as root/administrator.", True),
    ],
)
def test_who_comes_and_goes_is_no_complaint(level: str, line: str, is_kept: bool) -> None:
    assert complaint(level, line) == is_kept


def test_loses_nothing_while_it_or_the_database_is_away_for_five_minutes() -> None:
    settings = load("telegraf.conf")
    consumer = plugins(settings)["inputs.mqtt_consumer"]
    assert (consumer["qos"], consumer["persistent_session"]) == (1, True)
    assert consumer["client_id"]
    nodes, points_a_second, five_minutes = 30, 15, 300
    assert settings["agent"]["metric_buffer_limit"] >= nodes * points_a_second * five_minutes
    assert consumer["max_undelivered_messages"] >= nodes * five_minutes


def test_passes_on_before_a_change_of_state_is_a_second_old() -> None:
    agent = load("telegraf.conf")["agent"]
    assert (agent["flush_interval"], agent["flush_jitter"]) == (f"{FLUSH_S * 1000:g}ms", "0s")


@pytest.mark.parametrize("name", ["telegraf.conf", "containers.conf"])
def test_is_unhealthy_when_half_of_its_buffer_waits(name: str) -> None:
    settings = load(name)
    (compares,) = plugins(settings)["outputs.health"]["compares"]
    assert compares["lt"] == settings["agent"]["metric_buffer_limit"] / 2


def test_no_value_is_a_secret() -> None:
    for path in SHIPPED.glob("*.conf"):
        for line in path.read_text().splitlines():
            if re.match(r"\s*(password|token) =", line):
                assert re.search(r'= "\$\{\w+\}"$', line)
