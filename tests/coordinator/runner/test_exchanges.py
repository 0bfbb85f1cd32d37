"""What an exchange leaves in a run's history."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from coordinator.runner.exchanges import Outgoing, Participant
from coordinator.runner.replies import Reply
from coordinator.runner.screen import Complaint
from fedbed.link.messages import Poison

BUSY = {"download_s": 0.5, "start_s": 0.25, "decode_s": 0.125, "work_s": 2.0, "encode_s": 0.125}


def waited(wait_s: float, wall_s: float) -> float:
    """Return a node's wait in an exchange of `wall_s` seconds, of which it was busy for 4."""
    reply = Reply(0, Path("x.result"), 10, upload_s=1.0)
    reply.meta = {
        "records": [],
        "timeline": {"wait_s": wait_s, **BUSY, "bytes_down": 7, "cpu_s": 60.0},
    }
    outgoing = Outgoing("run.000001", "round 1: training", "train", 60.0, began=100.0)
    outgoing.arrived(reply)
    there = {0: Participant(0, "node-1", (), (), {}, {})}
    (node,) = outgoing.exchanged(100.0 + wall_s, there).nodes
    timeline = node["timeline"]
    assert {key: timeline[key] for key in BUSY} == BUSY
    assert reply.meta["timeline"]["wait_s"] == wait_s
    return float(timeline["wait_s"])


@pytest.mark.parametrize(
    ("wait_s", "wall_s", "shown"),
    [
        (0.75, 5.0, 0.75),
        (840.0, 5.0, 1.0),  # idle since a run of long ago
        (1.5, 4.0, 0.0),
        (1.5, 3.9, 0.0),  # two machines' clocks never agree to the last digit
    ],
)
def test_a_node_waits_no_longer_than_the_exchange_lasts(
    wait_s: float, wall_s: float, shown: float
) -> None:
    assert waited(wait_s, wall_s) == pytest.approx(shown)


def exchange(refused: dict[int, Complaint], asked: int = 4) -> Outgoing:
    """Return an exchange with `asked` nodes, some of whose replies were refused."""
    outgoing = Outgoing("run.000001", "round 1: training", "train", 60.0, began=0.0)
    for partition in range(asked):
        outgoing.messages[partition] = cast(Any, None)
        outgoing.replies[partition] = Reply(partition, Path("x"), 1, 0.0)
    for partition, complaint in refused.items():
        outgoing.refuse(partition, complaint)
    return outgoing


def test_what_was_refused_is_noted_in_its_node_s_record() -> None:
    outgoing = exchange({2: Complaint("norm", "too long")})
    outgoing.bounded[1] = Complaint("samples", "counts as 7")
    # The experiment wanted the second of them to.
    poisons = {1: None, 2: Poison("scale", 9.0, 1)}
    outgoing.items = [cast(Any, SimpleNamespace(partition=p, poison=x)) for p, x in poisons.items()]
    assert outgoing.missing == {2: "refused: too long"}
    assert outgoing.notes(of_task=True) == [
        {
            "item": "run.000001.1",
            "kind": "samples",
            "text": "bounded: counts as 7",
            "counts": False,
            "asked_for": False,
        },
        {
            "item": "run.000001.2",
            "kind": "norm",
            "text": "refused: too long",
            "counts": True,
            "asked_for": True,
        },
    ]
    assert not any(note["counts"] for note in outgoing.notes(of_task=False))


@pytest.mark.parametrize(("culprits", "counts"), [(1, True), (2, True), (3, False), (4, False)])
def test_metrics_that_most_nodes_have_wrong_are_nobody_s_offence(
    culprits: int, counts: bool
) -> None:
    nan = Complaint("metrics", "its metric 'loss' is nan")
    outgoing = exchange(dict.fromkeys(range(culprits), nan))
    assert {note["counts"] for note in outgoing.notes(of_task=True)} == {counts}


def test_virtual_nodes_of_the_last_agent_count_as_its_computing() -> None:
    outgoing = Outgoing("run.000001", "round 1: training", "train", 60.0, began=100.0)
    for partition, work_s in ((0, 1.0), (1, 2.0), (2, 4.0)):
        reply = Reply(partition, Path("x.result"), 10, upload_s=1.0)
        reply.meta = {"records": [], "timeline": {"work_s": work_s, "bytes_down": 7}}
        outgoing.arrived(reply)

    def participants(virtual: bool) -> dict[int, Participant]:
        hosts = {0: "node-1", 1: "node-2", 2: "node-1"}
        return {
            p: Participant(p, f"{host}/{p}", (), (), {}, {}, host if virtual else "")
            for p, host in hosts.items()
        }

    assert outgoing.exchanged(110.0, participants(virtual=False)).critical_work_s == 4.0
    shared = outgoing.exchanged(110.0, participants(virtual=True))
    assert shared.critical_work_s == 5.0
    assert [node["host"] for node in shared.nodes] == ["node-1", "node-2", "node-1"]
