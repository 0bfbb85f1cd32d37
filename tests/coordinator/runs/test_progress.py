from __future__ import annotations

from typing import Any

import pytest

from coordinator.runs.progress import NODES_IN_FULL, ROUNDS_IN_FULL, Progress


def told(nodes: int, rounds: int, brief: bool) -> list[int]:
    """Return of which rounds a picture says what each node did."""
    progress = Progress()
    for number in range(1, rounds + 1):
        entry: dict[str, Any] = {"round": number, "nodes": [{"name": str(n)} for n in range(nodes)]}
        progress.take_in("round", entry)
    history = progress.snapshot(brief)["history"]
    assert [entry["round"] for entry in history] == list(range(1, rounds + 1))
    return [entry["round"] for entry in history if "nodes" in entry]


@pytest.mark.parametrize(
    ("nodes", "rounds", "expected"),
    [
        (4, 3, [1, 2, 3]),
        (4, 20, list(range(21 - ROUNDS_IN_FULL, 21))),
        (NODES_IN_FULL // 2, 20, [19, 20]),
        (2 * NODES_IN_FULL, 20, [20]),
        (4, 0, []),
    ],
)
def test_a_brief_picture_stays_small(nodes: int, rounds: int, expected: list[int]) -> None:
    assert told(nodes, rounds, brief=True) == expected


def test_a_whole_one_leaves_nothing_out() -> None:
    assert told(2 * NODES_IN_FULL, 7, brief=False) == list(range(1, 8))
