from __future__ import annotations

from typing import Any

import pytest

from coordinator.runner.disturbances import told

NAMES = {partition: f"node-{partition + 1}" for partition in range(8)}


def entry(number: int, missing: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return {"round": number, "missing": missing or {}, "participants": 3, **more}


def test_an_undisturbed_run_has_nothing_to_tell() -> None:
    assert told([entry(1), entry(2, bounded={}, retried=[])], NAMES) == []


@pytest.mark.parametrize(
    ("late", "rounds"),
    [
        ([3], "round 3"),
        ([2, 3], "rounds 2-3"),
        ([2, 4], "rounds 2 and 4"),
        ([*range(2, 10), 11, 13], "rounds 2-9, 11 and 13"),
        ([1, 3, 5, 6, 8, 10, 12, 13], "rounds 1, 3, 5-6, 8 and 3 more"),
    ],
)
def test_a_straggler_is_one_line_however_often_it_was_late(late: list[int], rounds: str) -> None:
    history = [entry(n, {"5": "too late"} if n in late else {}) for n in range(1, 15)]
    assert told(history, NAMES) == [f"{rounds} went without node-6: too late"]


def test_those_who_were_missing_together_stand_together() -> None:
    lost = {str(partition): "the node was lost" for partition in range(6)}
    history = [entry(1, {**lost, "6": "too late"}), entry(2, {"6": "too late"}), entry(3, lost)]
    assert told(history, NAMES) == [
        "rounds 1 and 3 went without node-1, node-2, node-3, node-4 and 2 more: the node was lost",
        "rounds 1-2 went without node-7: too late",
    ]


def test_refusals_keep_the_reason_of_each() -> None:
    history = [
        entry(1, {"0": "refused: its norm is 3", "9": "refused: its norm is 3"}),
        entry(2, {"0": "refused: its norm is 4"}),
    ]
    assert told(history, NAMES) == [
        "node-1, partition 9's updates were refused in round 1: its norm is 3",
        "node-1's update was refused in round 2: its norm is 4",
    ]


def test_what_counted_less_was_tried_again_or_came_to_nothing() -> None:
    history = [
        entry(1, bounded={"1": "shortened: to 3"}, retried=[[2, "damaged"], [2, "damaged"]]),
        entry(2, retried=[(2, "damaged")], model_kept=True),
        entry(3, model_kept=True, bounded={"1": "shortened: to 4", "3": "99 samples"}),
        entry(4, bounded={"0": "shortened: to 1", "1": "shortened: to 2"}),
    ]
    assert told(history, NAMES) == [
        "rounds 1 and 3-4: node-2, node-1 were bounded: shortened",
        "rounds 1-2: node-3 had to try again: damaged",
        "rounds 2-3 kept their model: no new one came of 3 updates",
        "round 3: node-4 was bounded: 99 samples",
    ]
