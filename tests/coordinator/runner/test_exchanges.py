"""What an exchange leaves in a run's history."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.runner.exchanges import Outgoing, Participant
from coordinator.runner.replies import Reply

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
