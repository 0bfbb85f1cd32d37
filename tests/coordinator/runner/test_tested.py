"""Tests on the nodes, told for each and together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from coordinator.runner import tested
from coordinator.runner.exchanges import Exchanged
from fedbed.tasks import measures


def exchanged(kind: str, *metrics: dict[str, Any]) -> Exchanged:
    nodes = [
        {"partition": p, "name": f"node-{p}", "metrics": m, "bytes_up": 3}
        for p, m in enumerate(metrics)
    ]
    return Exchanged(
        kind,
        len(nodes),
        "",
        60.0,
        {},
        {},
        [],
        1.0,
        0.1,
        0.5,
        nodes,
        files=[],
        bytes_up=0,
        bytes_down=0,
    )


def reply(matrix: list[list[int]], examples: int, loss: float) -> dict[str, Any]:
    found = measures.summary(np.array(matrix), "masks")
    return {"num-examples": examples, "loss": loss, **found}


def test_the_mean_iou_is_that_of_the_summed_matrix_and_nodes_keep_theirs() -> None:
    one, other = reply([[9, 1], [0, 0]], 3, 1.0), reply([[0, 0], [5, 5]], 1, 3.0)
    log = [exchanged("train", {"num-examples": 9}), exchanged("evaluate", one, other)]
    found = tested.together(log, "masks")
    assert found is not None
    assert found["loss"] == 1.5
    assert found["mean_iou"] == pytest.approx((9 / 15 + 5 / 11) / 2)
    rows = tested.of_nodes(log)
    assert [row["name"] for row in rows] == ["node-0", "node-1"]
    assert rows[1]["metrics"] == other
    assert "confusion" not in tested.figures(other)
    assert tested.figures(other)["mean_iou"] == other["mean_iou"]


def test_without_tests_on_nodes_there_is_nothing_to_pool() -> None:
    assert tested.together([exchanged("train", {"num-examples": 9})], "labels") is None
    assert tested.together([], "labels") is None
