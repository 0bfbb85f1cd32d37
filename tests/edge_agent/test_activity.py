from __future__ import annotations

from edge_agent.activity import DRAINING, TRAINING, UPLOADING, Activity, Doing


def test_each_change_is_told_once() -> None:
    told: list[Doing] = []
    activity = Activity()
    activity.on_change = told.append
    activity.now("idle")
    activity.now(TRAINING, "run-1", 2)
    activity.now(TRAINING, "run-1", 2)
    activity.now(UPLOADING, "run-1", 2)
    assert told == [Doing(TRAINING, "run-1", 2), Doing(UPLOADING, "run-1", 2)]
    assert activity.doing == told[-1]


def test_a_drained_node_is_draining_when_it_has_done_what_it_had() -> None:
    told: list[Doing] = []
    activity = Activity()
    activity.on_change = told.append
    activity.now(TRAINING, "run-1", 2)
    activity.drained(True)
    activity.now("idle")
    activity.drained(True)
    activity.drained(False)
    assert [doing.state for doing in told] == [TRAINING, DRAINING, "idle"]
