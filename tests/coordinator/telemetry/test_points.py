"""What the coordinator knows as points: as the definition wants them, whatever nodes say."""

from __future__ import annotations

import math
from typing import Any

import pytest

from coordinator.telemetry import points
from coordinator.telemetry.points import NodeFacts, Part, RunFacts
from fedbed.telemetry import definition
from fedbed.telemetry.point import Point

S = 1_000_000_000
NOW = 1_700_000_000 * S
TIMELINE = {
    "wait_s": 9.0,
    "download_s": 1.0,
    "start_s": 2.0,
    "decode_s": 0.5,
    "work_s": 4.0,
    "encode_s": 0.5,
    "bytes_down": 1000,
    "cpu_s": 3.5,
    "peak_rss_bytes": 60_000_000,
}
ENTRY = {
    "round": 3,
    "accuracy": 0.9,
    "mean_iou": 0.5,
    "loss": 0.3,
    "train_loss": 0.4,
    "asked": 3,
    "participants": 2,
    "wall_s": 8,
    "limit_s": 60,
    "aggregate_s": 0.1,
    "overhead_s": 0.2,
    "bytes_up": 500,
    "bytes_down": 4000,
    "nodes": [{"bytes_up": 100}, {"bytes_up": 300}],
}


def part(**changes: Any) -> Part:
    known: dict[str, Any] = {
        "run": "r-1",
        "node": "pi-1",
        "kind": "train",
        "round": 3,
        "partition": 7,
        "bytes_up": 250,
        "upload_s": 2.0,
        "open_s": 12.0,
        "timeline": TIMELINE,
        "metrics": {"num-examples": 30, "samples": 60, "loss": 0.25},
    }
    return Part(**{**known, **changes})


def as_defined(*made: Point) -> None:
    for point in made:
        assert definition.faults(point.measurement, dict(point.tags), dict(point.fields)) == []
        assert point.line()


def test_every_measurement_of_the_coordinator_is_written_with_all_its_fields() -> None:
    said = {"at": 5.5, "run": "r-1", "node": "n-1", "text": "round 1: a sentence"}
    run = RunFacts("r-1", "n", "mnist_cnn", "mnist", "FedAvg", "running", 2, 5, 1.5)
    cost: dict[str, Any] = {"cpu": 1, "memory": 2, "disk_free": 3}
    cost.update(nodes_online=4, nodes_training=2)
    made = [
        points.node(NodeFacts("pi-1", "training", True, True, 0, "r-1"), NOW),
        points.run(run, NOW),
        points.round_done("r-1", ENTRY, "mean_iou", 1000, NOW),
        points.twin("r-1", ENTRY, "accuracy", NOW),
        points.exchange(part(), NOW),
        points.phases(part(), NOW)[0],
        points.event(said, "pi-1", False),
        points.coordinator(NOW, **cost, runs_waiting=5, waiting=6, dropped=7),
    ]
    as_defined(*made)
    ours = [m for m in definition.MEASUREMENTS if m.source == definition.COORDINATOR]
    assert {point.measurement for point in made} == {m.name for m in ours}
    for point, measurement in ((p, definition.by_name()[p.measurement]) for p in made):
        assert set(point.fields) == {field.name for field in measurement.fields}
        assert set(point.tags) == {tag.name for tag in measurement.tags}


def test_a_round_is_judged_by_what_its_task_is_judged_by() -> None:
    assert points.round_done("r", ENTRY, "mean_iou", None, NOW).fields["metric"] == 0.5
    assert points.round_done("r", ENTRY, "accuracy", None, NOW).fields["metric"] == 0.9
    unknown = points.round_done("r", {"round": 1}, "accuracy", 4, NOW)
    assert unknown.fields == {"round": 1}
    as_defined(unknown)
    compressed = points.round_done("r", ENTRY, "accuracy", 1000, NOW)
    assert compressed.fields["compression"] == 2 * 1000 / 400
    assert compressed.fields["duration"] == 8.0


def test_the_gantt_is_laid_back_from_the_arrival() -> None:
    made = points.phases(part(), NOW)
    as_defined(*made)
    # Open for 12 s, of which 10 s were busy: it has waited for 2 s at most.
    assert [(p.fields["phase"], (NOW - p.at_ns) / S) for p in made] == [
        ("wait", 12.0),
        ("download", 10.0),
        ("train", 9.0),
        ("upload", 2.0),
        ("idle", 0.0),
    ]
    assert {p.fields["round"] for p in made} == {3}


def test_phases_of_no_length_are_none_and_none_begins_before_the_last_ended() -> None:
    quick = part(timeline={"work_s": 1.0, "bytes_down": 0}, upload_s=0.0, kind="evaluate")
    made = points.phases(quick, NOW)
    assert [(p.fields["phase"], NOW - p.at_ns) for p in made] == [("test", S), ("idle", 0)]
    made = points.phases(part(), NOW, NOW - 5 * S)
    assert [(p.fields["phase"], NOW - p.at_ns) for p in made] == [
        ("train", 5 * S),
        ("upload", 2 * S),
        ("idle", 0),
    ]
    made = points.phases(part(), NOW, NOW + S)  # a clock that was set back
    assert [p.fields["phase"] for p in made] == ["idle"]


@pytest.mark.parametrize("odd", [math.inf, math.nan, 1e300, 2**80, 10**400, -1.0, True, "x"])
def test_what_a_node_says_can_not_make_a_point_that_the_database_refuses(odd: Any) -> None:
    hostile = part(
        timeline=dict.fromkeys(TIMELINE, odd),
        metrics={"samples": odd, "loss": odd, "num-examples": odd},
    )
    made = [points.exchange(hostile, NOW), *points.phases(hostile, NOW)]
    as_defined(*made)
    assert all(0 <= point.at_ns <= NOW for point in made)
    for point in made:
        for value in point.fields.values():
            if isinstance(value, int):
                assert -(2**63) < value < 2**63
    as_defined(points.round_done("r", {**ENTRY, "loss": odd, "bytes_up": odd}, "loss", 1, NOW))


def test_an_evaluation_has_no_samples_seen_in_training() -> None:
    fields = points.exchange(part(kind="evaluate"), NOW).fields
    assert not {"samples", "train_loss"} & set(fields)
    assert points.exchange(part(metrics={"num-examples": 30}), NOW).fields["samples"] == 30


@pytest.mark.parametrize(
    ("text", "run", "node", "is_fault", "kind"),
    [
        ("round 2: made no new model", "r", "", False, "round"),
        ("round 2: training: without pi-1", "r", "", True, "fault"),
        ("run r begins", "r", "", False, "run"),
        ("pi-1 joined", "", "pi-1", False, "node"),
        ("pi-1 is lost", "", "pi-1", True, "fault"),
        ("pi-2 is drained", "", "", False, "node"),
    ],
)
def test_events_have_a_kind(text: str, run: str, node: str, is_fault: bool, kind: str) -> None:
    said = {"at": 1_700_000_000.5, "run": run, "node": "n-0", "text": text}
    point = points.event(said, node, is_fault)
    assert point.tags["kind"] == kind
    assert point.at_ns == 1_700_000_000_500_000_000
    as_defined(point)


def test_a_queued_run_is_waiting() -> None:
    facts = RunFacts("r", "n", "t", "d", "s", "queued", 0, 0, 0.0)
    assert points.run(facts, NOW).fields["state"] == "waiting"
