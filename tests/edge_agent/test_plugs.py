from __future__ import annotations

import json
import re

import pytest

from edge_agent.plugs import Meter, Plug, Reading
from fedbed.telemetry.definition import faults

TASMOTA = {
    "Time": "2026-11-21T10:00:00",
    "ENERGY": {
        "TotalStartTime": "2026-01-01T00:00:00",
        "Total": 3.5,
        "Power": 5,
        "ApparentPower": 7,
        "Voltage": 233,
    },
}
SHELLY = {
    "id": 0,
    "output": True,
    "apower": 6.5,
    "voltage": 230.1,
    "aenergy": {"total": 12.5, "by_minute": [100.1, 90.0, 80.2], "minute_ts": 1700000000},
}


@pytest.mark.parametrize(
    ("plug", "topic", "payload", "expected"),
    [
        ("tasmota:p1", "tele/p1/SENSOR", json.dumps(TASMOTA), Reading(5.0, 12_600_000.0)),
        (
            "tasmota:p1",
            "tele/p1/SENSOR",
            '{"ENERGY": {"Total": 1, "Power": [2, 3.5]}}',
            Reading(5.5, 3_600_000.0),
        ),
        ("tasmota:p1", "tele/p1/SENSOR", '{"ENERGY": {"Power": 4}}', Reading(4.0, None)),
        ("shelly:p2", "p2/status/switch:0", json.dumps(SHELLY), Reading(6.5, 45_000.0)),
        ("shelly:p2", "p2/status/switch:0", '{"output": false}', Reading()),
        ("shelly1:p3", "shellies/p3/relay/0/power", "30.40", Reading(power=30.4)),
        ("shelly1:p3", "shellies/p3/relay/0/energy", "120", Reading(energy=7200.0)),
    ],
)
def test_what_plugs_say(plug: str, topic: str, payload: str, expected: Reading) -> None:
    made = Plug.named(plug)
    assert topic in made.topics
    assert made.read(topic, payload.encode()) == expected


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[" * 10_000,
        b"[1, 2]",
        b"null",
        b'"on"',
        b'{"ENERGY": 5}',
        b'{"ENERGY": {"Power": true, "Total": "3"}}',
        b'{"ENERGY": {"Power": NaN, "Total": Infinity}}',
        b'{"ENERGY": {"Power": [], "Total": [1, null]}}',
        b'{"ENERGY": {"Power": 1' + b"0" * 400 + b"}}",
        b'{"ENERGY": {"Power": 5}}' + b" " * 20_000,
    ],
)
def test_what_is_no_reading_of_a_plug_is_none(payload: bytes) -> None:
    plug = Plug.named("tasmota:p1")
    assert plug.read("tele/p1/SENSOR", payload) == Reading()


def test_other_topics_are_not_the_plugs() -> None:
    plug = Plug.named("tasmota:p1")
    assert plug.read("tele/p2/SENSOR", json.dumps(TASMOTA).encode()) == Reading()


def test_energy_counts_from_the_agents_start_and_a_reset_plug_loses_nothing() -> None:
    meter = Meter()
    counted = []
    for joules in (1000.0, 1600.0, 1600.0, 50.0, 80.0):
        sample = meter.sample(Reading(power=5.0, energy=joules))
        assert sample is not None
        assert faults(sample.measurement, sample.tags, dict(sample.fields)) == []
        assert sample.tags == {"rail": "plug", "method": "measured"}
        counted.append(sample.fields["energy"])
    assert counted == [0.0, 600.0, 600.0, 600.0, 630.0]


def test_a_reading_of_one_value_is_a_sample_of_one_field() -> None:
    meter = Meter()
    power = meter.sample(Reading(power=3.0))
    assert power is not None
    assert power.fields == {"power": 3.0}
    assert meter.sample(Reading()) is None


@pytest.mark.parametrize("text", ["", "p1", "tasmota:", "hue:p1", "shelly:a/b", "shelly:#"])
def test_what_names_no_plug(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"given '{text}', allowed: tasmota:NAME")):
        Plug.named(text)
