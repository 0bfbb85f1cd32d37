"""Measures from confusion matrices, on cases done by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedbed.tasks import measures

# Class 2 is nowhere; class 3 is never found and never guessed right.
MATRIX = np.array([[6, 2, 0, 0], [1, 3, 0, 1], [0, 0, 0, 0], [2, 0, 0, 0]])


def test_pairs_are_counted() -> None:
    truth = np.array([[0, 0], [1, 2]], np.uint8)
    said = np.array([[0, 1], [1, 0]])
    found = measures.confusion(truth, said, 3)
    assert found.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert measures.confusion(truth.astype(np.uint8) + 200, said + 200, 256)[201, 201] == 1


def test_a_case_done_by_hand() -> None:
    assert measures.accuracy(MATRIX) == 9 / 15
    assert measures.recall(MATRIX) == [6 / 8, 3 / 5, None, 0.0]
    assert measures.iou(MATRIX) == [6 / 11, 3 / 7, None, 0.0]
    assert measures.dice(MATRIX) == [12 / 17, 6 / 10, None, 0.0]
    found = measures.summary(MATRIX, "masks")
    assert found["mean_iou"] == pytest.approx((6 / 11 + 3 / 7) / 3)
    assert found["mean_dice"] == pytest.approx((12 / 17 + 6 / 10) / 3)
    assert list(measures.summary(MATRIX, "labels")) == ["accuracy", "confusion"]
    kept = measures.square(found["confusion"])
    assert kept is not None
    assert kept.tolist() == MATRIX.tolist()


def test_nothing_is_no_error() -> None:
    nothing = np.zeros((3, 3), np.int64)
    found = measures.summary(nothing, "masks")
    assert (found["accuracy"], found["mean_iou"], found["mean_dice"]) == (0.0, 0.0, 0.0)


def reply(matrix: Any, examples: int, loss: float) -> dict[str, Any]:
    return {"num-examples": examples, "loss": loss, **measures.summary(matrix, "masks")}


def test_nodes_are_pooled_by_their_matrices_and_not_by_their_ious() -> None:
    one = np.array([[90, 10], [0, 0]])
    other = np.array([[0, 0], [5, 5]])
    found = measures.pooled([reply(one, 30, 1.0), reply(other, 10, 2.0)], "masks")
    assert found is not None
    assert found == {"loss": 1.25, **measures.summary(one + other, "masks")}
    mean = (measures.mean(measures.iou(one)) * 30 + measures.mean(measures.iou(other)) * 10) / 40
    assert found["mean_iou"] != pytest.approx(mean, abs=0.05)


@pytest.mark.parametrize(
    "flat",
    [None, 3, [], [1, 2, 3], [1, 2, 3, -1], [1, 2, 3, 4.0], [True] * 4, ["1"] * 4, [2**60] * 4],
)
def test_what_is_no_matrix_is_not_pooled(flat: Any) -> None:
    good = reply(np.eye(2, dtype=np.int64), 1, 1.0)
    assert measures.square(flat) is None
    assert measures.pooled([good, {**good, "confusion": flat}], "masks") is None


def test_odd_replies_are_not_pooled() -> None:
    good = reply(np.eye(2, dtype=np.int64), 1, 1.0)
    assert measures.pooled([], "masks") is None
    assert measures.pooled([good, reply(np.eye(3, dtype=np.int64), 1, 1.0)], "masks") is None
    assert measures.pooled([{**good, "num-examples": 0}], "masks") is None
    assert measures.pooled([{**good, "loss": "low"}], "masks") is None
    assert measures.pooled([{"num-examples": 1, "accuracy": 1.0}], "masks") is None
