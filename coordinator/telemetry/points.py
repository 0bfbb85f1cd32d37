"""What the coordinator knows, as points of the measurements that it writes. Pure.

Fields are typed by `fedbed.telemetry.definition`. What isn't known has no field, and what is no
number, or beyond what the database holds, neither: nodes say what they like.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fedbed.telemetry import definition
from fedbed.telemetry.definition import BOOLEAN, FLOAT, INTEGER
from fedbed.telemetry.point import Point, Value

NS = 1_000_000_000
_MOST = 2**63 - 1
_HUGE = 1e300
"""Whole numbers beyond it may be none of a float's."""
_MEASUREMENTS = definition.by_name()
_TIMES = ("wait", "download", "start", "decode", "work", "encode")
"""Fields of an exchange that the node's timeline has, as `wait_s` and so on."""
STATES = {"queued": "waiting"}
"""Names of a run's states that are others here."""


@dataclass(frozen=True)
class Part:
    """A node's part of an exchange, as it has come in. Seconds and bytes throughout.

    open_s: for how long the exchange has been open, so longer it hasn't waited, whatever its
    timeline says: a node's wait begins with the end of its work before.
    """

    run: str
    node: str
    kind: str
    """train or evaluate."""
    round: int
    partition: int
    bytes_up: int
    upload_s: float
    open_s: float
    timeline: Mapping[str, Any]
    metrics: Mapping[str, Any]


@dataclass(frozen=True)
class RunFacts:
    """What is told of a run at each look."""

    id: str
    name: str
    task: str
    dataset: str
    strategy: str
    state: str
    round: int
    rounds: int
    round_age_s: float


@dataclass(frozen=True)
class NodeFacts:
    """What is told of a node at each look."""

    name: str
    state: str
    online: bool
    training: bool
    offences: int
    run: str


def node(facts: NodeFacts, at_ns: int) -> Point:
    """Return the state of a node."""
    return _point(
        "fedbed_node",
        at_ns,
        {"node": facts.name},
        state=facts.state,
        online=facts.online,
        training=facts.training,
        offences=facts.offences,
        run=facts.run,
    )


def run(facts: RunFacts, at_ns: int) -> Point:
    """Return the state of a run."""
    return _point(
        "fedbed_run",
        at_ns,
        {"run": facts.id},
        name=facts.name,
        task=facts.task,
        dataset=facts.dataset,
        strategy=facts.strategy,
        state=STATES.get(facts.state, facts.state),
        round=facts.round,
        rounds=facts.rounds,
        round_age=facts.round_age_s,
    )


def round_done(
    run_id: str, entry: Mapping[str, Any], metric: str, dense: int | None, at_ns: int
) -> Point:
    """Return a round out of a run's history.

    metric: what the task is judged by. dense: `dense_bytes` of one update, if known.
    """
    sent = sum(_whole(node.get("bytes_up")) for node in entry.get("nodes", ()))
    updates = len(entry.get("nodes", ()))
    return _point(
        "fedbed_round",
        at_ns,
        {"run": run_id},
        round=entry.get("round"),
        metric=entry.get(metric),
        loss=entry.get("loss"),
        train_loss=entry.get("train_loss"),
        asked=entry.get("asked"),
        participants=entry.get("participants"),
        duration=entry.get("wall_s"),
        limit=entry.get("limit_s"),
        aggregation=entry.get("aggregate_s"),
        overhead=entry.get("overhead_s"),
        bytes_up=entry.get("bytes_up"),
        bytes_down=entry.get("bytes_down"),
        compression=dense * updates / sent if dense and sent else None,
    )


def twin(run_id: str, entry: Mapping[str, Any], metric: str, at_ns: int) -> Point:
    """Return a round of a run's centralised twin."""
    return _point(
        "fedbed_twin",
        at_ns,
        {"run": run_id},
        round=entry.get("round"),
        metric=entry.get(metric),
        loss=entry.get("loss"),
    )


def exchange(part: Part, at_ns: int) -> Point:
    """Return a node's part of a round, in figures."""
    timeline, metrics = part.timeline, part.metrics
    is_training = part.kind == "train"
    losses = [value for name, value in metrics.items() if "loss" in name]
    return _point(
        "fedbed_exchange",
        at_ns,
        {"run": part.run, "node": part.node, "kind": part.kind},
        **{name: timeline.get(f"{name}_s") for name in _TIMES if name != "wait"},
        wait=round(_waited_s(part), 4),
        upload=round(part.upload_s, 4),
        round=part.round,
        partition=part.partition,
        cpu=timeline.get("cpu_s"),
        peak_memory=timeline.get("peak_rss_bytes"),
        bytes_up=part.bytes_up,
        bytes_down=timeline.get("bytes_down"),
        samples=metrics.get("samples", metrics.get("num-examples")) if is_training else None,
        train_loss=losses[0] if is_training and losses else None,
    )


def phases(part: Part, at_ns: int, not_before_ns: int = 0) -> list[Point]:
    """Return what a node did when, laid back from `at_ns`, when its part was in.

    Starting its worker, decoding and encoding count as the training that they are for. A node that
    was told to have done something earlier has ended that at `not_before_ns`.
    """
    timeline = part.timeline
    train_s = sum(_seconds(timeline.get(f"{name}_s")) for name in _TIMES[2:])
    lengths = (
        ("wait", _waited_s(part)),
        ("download", _seconds(timeline.get("download_s"))),
        ("test" if part.kind == "evaluate" else "train", train_s),
        ("upload", _seconds(part.upload_s)),
    )
    spans = [("idle", at_ns)]
    begin = at_ns
    for phase, seconds in reversed(lengths):
        before, begin = begin, max(begin - int(seconds * NS), min(not_before_ns, begin))
        if begin < before:
            spans.append((phase, begin))
    tags = {"run": part.run, "node": part.node}
    return [
        _point("fedbed_phase", at, tags, phase=phase, round=part.round)
        for phase, at in reversed(spans)
    ]


def event(said: Mapping[str, Any], node_name: str, is_fault: bool) -> Point:
    """Return an event; `node_name` is empty where it is of no node."""
    return _point(
        "fedbed_event",
        int(float(said["at"]) * NS),
        {"run": said["run"], "node": node_name, "kind": _kind(said, node_name, is_fault)},
        text=said["text"],
    )


def coordinator(at_ns: int, **values: Any) -> Point:
    """Return what the coordinator itself costs; `values` are the measurement's fields."""
    return _point("fedbed_coordinator", at_ns, {}, **values)


def _kind(said: Mapping[str, Any], node_name: str, is_fault: bool) -> str:
    if is_fault:
        return "fault"
    if str(said["text"]).startswith("round "):
        return "round"
    return "node" if node_name or not said["run"] else "run"


def _point(name: str, at_ns: int, tags: Mapping[str, str], /, **values: Any) -> Point:
    fields = {}
    for key, given in values.items():
        value = _typed(given, _MEASUREMENTS[name].field(key).type)
        if value is not None:
            fields[key] = value
    return Point(name, tags, fields, at_ns)


def _typed(value: Any, kind: str) -> Value | None:
    if value is None:
        return None
    if kind == BOOLEAN:
        return bool(value)
    if kind not in (FLOAT, INTEGER):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > _HUGE:
        return None
    if math.isnan(value) or (kind == INTEGER and abs(value) > _MOST):
        return None
    return float(value) if kind == FLOAT else int(value)


def _waited_s(part: Part) -> float:
    busy = sum(_seconds(part.timeline.get(f"{name}_s")) for name in _TIMES[1:])
    most = max(0.0, part.open_s - busy - _seconds(part.upload_s))
    return min(_seconds(part.timeline.get("wait_s")), most)


def _seconds(value: Any) -> float:
    """Return a node's figure as seconds; 0 for what is none, a year at most."""
    typed = _typed(value, FLOAT)
    return min(max(float(typed), 0.0), 365.0 * 86400) if typed is not None else 0.0


def _whole(value: Any) -> int:
    typed = _typed(value, INTEGER)
    return int(typed) if typed is not None else 0


def dense_bytes(shapes: Iterable[tuple[int, ...]]) -> int:
    """Return the size of arrays of these shapes as float32."""
    return sum(4 * math.prod(shape) for shape in shapes)
