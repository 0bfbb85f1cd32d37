"""Ten minutes of a lab's life as points: two runs, three nodes, every measurement and field.

Written by the definition, so that no query can rest on what nobody writes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from fedbed.telemetry.definition import (
    BOOLEAN,
    FLOAT,
    STRING,
    Field,
    Measurement,
    by_name,
    faults,
)
from fedbed.telemetry.point import Point, Value
from monitoring.dashboards.telegraf import CONTAINERS

NODES = ("node-1", "node-10", "pi.lab")
"""The first is the beginning of the second, and the third holds a dot, which matches more."""
RUNS = ("20261121-100000-first-aaaa", "20261121-100500-second-bbbb")
CONTAINER_NAMES = ("fedbed-grafana-1", "fedbed-influxdb-1")
STEP_S, STEPS, ROUND_S = 10, 60, 60
_SECOND = 1_000_000_000
_OF_PARTS = ("fedbed_round", "fedbed_twin", "fedbed_exchange", "fedbed_phase", "fedbed_event")
_PHASES = (("wait", 0), ("download", 5), ("train", 10), ("test", 30), ("upload", 40), ("idle", 50))
_TAGS = {
    "sensor": ("cpu_thermal", "GPU-therm"),
    "gpu": ("0",),
    "rail": ("VDD_IN", "VDD_CPU"),
    "method": ("measured",),
    "cpu": ("cpu-total", "cpu0"),
    "network": ("total", "eth0"),
    "container_name": CONTAINER_NAMES,
    "level": ("E", "N"),
}
_NUMBERS = {"percent": 35.0, "celsius": 55.0, "watts": 4.0, "hertz": 1.5e9, "bytes": 2e9}


def lines(until_ns: int) -> str:
    """Return all points in line protocol; the last are of `until_ns`."""
    return "\n".join(point.line() for point in points(until_ns))


def points(until_ns: int) -> Iterator[Point]:
    """Make the points; AssertionError if one isn't as defined."""
    begun = until_ns - STEPS * STEP_S * _SECOND
    for step in range(STEPS + 1):
        at = begun + step * STEP_S * _SECOND
        for measurement in (*by_name().values(), *CONTAINERS):
            if measurement.name not in _OF_PARTS:
                yield from _samples(measurement, step, at)
        if step and step * STEP_S % ROUND_S == 0:
            yield from _round(step, at)


def _samples(measurement: Measurement, step: int, at: int) -> Iterator[Point]:
    run = RUNS[0] if step <= STEPS // 2 else RUNS[1]
    for tags in _tag_values(measurement, run):
        fields = {
            field.name: _value(measurement, field, tags, step) for field in measurement.fields
        }
        yield _point(measurement, tags, fields, at)


def _round(step: int, at: int) -> Iterator[Point]:
    """Make what a round leaves behind, at its end."""
    run = RUNS[0] if step <= STEPS // 2 else RUNS[1]
    number = (step * STEP_S // ROUND_S - 1) % 5 + 1
    known = by_name()
    for name in ("fedbed_round", "fedbed_twin"):
        fields = {f.name: _value(known[name], f, {}, number) for f in known[name].fields}
        yield _point(known[name], {"run": run}, {**fields, "round": number}, at)
    for kind, what in (("round", f"round {number} is done"), ("fault", "node-1 was lost")):
        tags = {"run": run, "node": NODES[0] if kind == "fault" else "", "kind": kind}
        yield _point(known["fedbed_event"], tags, {"text": what}, at)
    yield _point(
        known["fedbed_event"],
        {"run": "", "node": NODES[0], "kind": "node"},
        {"text": "it came"},
        at,
    )
    for node in NODES:
        for kind in ("train", "evaluate"):
            exchange = known["fedbed_exchange"]
            fields = {f.name: _value(exchange, f, {}, number) for f in exchange.fields}
            yield _point(exchange, {"run": run, "node": node, "kind": kind}, fields, at)
        for phase, after in _PHASES:
            yield _point(
                known["fedbed_phase"],
                {"run": run, "node": node},
                {"phase": phase, "round": number},
                at - (ROUND_S - after) * _SECOND,
            )


def _tag_values(measurement: Measurement, run: str) -> Iterator[dict[str, str]]:
    found: list[dict[str, str]] = [{}]
    for tag in measurement.tags:
        values = {"node": NODES, "run": (run,)}.get(tag.name) or _TAGS[tag.name]
        found = [{**tags, tag.name: value} for tags in found for value in values]
    yield from found


def _value(measurement: Measurement, field: Field, tags: dict[str, str], step: int) -> Value:
    if field.type == STRING:
        return _word(field.name, tags)
    if field.type == BOOLEAN:
        return _flag(field.name, tags)
    if field.is_counter:
        grown = step * (1000 if field.unit == "bytes" else 1)
        return float(grown) if field.type == FLOAT else grown
    if field.name == "metric":
        return 1 - 0.5 / (step + 1)
    base = _NUMBERS.get(field.unit, 3.0)
    wave = base * (1 + 0.1 * math.sin(step / 3 + len(tags.get("node", ""))))
    return wave if field.type == FLOAT else round(wave)


def _word(name: str, tags: dict[str, str]) -> str:
    if name == "state" and "node" in tags:
        return "offline" if tags["node"] == NODES[2] else "training"
    return {"state": "running", "run": RUNS[1]}.get(name, f"a {name}")


def _flag(name: str, tags: dict[str, str]) -> bool:
    last = tags["node"] == NODES[2]
    return {"online": not last, "training": not last}.get(name, last)


def _point(
    measurement: Measurement, tags: dict[str, str], fields: dict[str, Value], at: int
) -> Point:
    if measurement.name in by_name():
        wrong = faults(measurement.name, tags, dict(fields))
        assert not wrong, wrong
    return Point(measurement.name, tags, fields, at)
