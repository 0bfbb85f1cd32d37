"""What is looked at when the rounds are over: matrices and predictions, the same for both sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from coordinator.runner.examination import SAMPLES, Examination, choose
from fedbed.data import Split
from fedbed.tasks import measures


class Fixed:
    """Stands for a trainer: says what a table of pixels says."""

    def __init__(self, shift: int) -> None:
        self._shift = shift

    def predict(self, images: Any) -> Any:
        return (images[..., 0].astype(np.int64) + self._shift) % 3

    def evaluate(self, data: Split) -> dict[str, Any]:
        return measures.summary(measures.confusion(data.y, self.predict(data.x), 3), "masks")


def masks(count: int = 12) -> Split:
    random = np.random.RandomState(0)
    y = random.randint(0, 3, (count, 4, 4)).astype(np.uint8)
    y[: count // 2] = 1
    return Split(np.repeat(y[..., None], 3, axis=3), y)


def test_both_sides_are_asked_the_same(tmp_path: Path) -> None:
    test = masks()
    looked = Examination(test, 5)
    looked.look("federated", Fixed(0))  # type: ignore[arg-type]
    looked.look("centralised", Fixed(1))  # type: ignore[arg-type]
    counts = np.bincount(test.y.ravel(), minlength=3)
    assert np.array_equal(looked.confusion["federated"], np.diag(counts))
    assert np.trace(looked.confusion["centralised"]) == 0
    looked.save(tmp_path / "predictions.npz")
    with np.load(tmp_path / "predictions.npz") as kept:
        assert np.array_equal(kept["images"], test.x[kept["index"]])
        assert np.array_equal(kept["truth"], test.y[kept["index"]])
        assert np.array_equal(kept["federated"], kept["truth"])
        assert np.array_equal(kept["centralised"], (kept["truth"] + 1) % 3)
        assert all(kept[name].dtype == np.uint8 for name in kept if name != "index")


def test_samples_follow_the_seed_and_tell_something() -> None:
    test = masks()
    chosen = choose(test, 5)
    assert len(chosen) == len(set(chosen.tolist())) == SAMPLES
    assert chosen.min() >= 6, "the first six show one class only"
    assert np.array_equal(chosen, choose(test, 5))
    assert not np.array_equal(chosen, choose(test, 6))
    assert len(choose(masks(2), 5)) == 2


def test_labels_have_a_matrix_and_no_pictures(tmp_path: Path) -> None:
    images = np.array([0, 1, 2, 2], np.uint8).reshape(4, 1)
    looked = Examination(Split(images, np.array([0, 1, 2, 1])), 1)
    looked.look("federated", Fixed(0))  # type: ignore[arg-type]
    assert looked.confusion["federated"] == [[1, 0, 0], [0, 1, 1], [0, 0, 1]]
    looked.save(tmp_path / "predictions.npz")
    assert not (tmp_path / "predictions.npz").exists()


def test_where_nodes_alone_have_data_their_matrix_is_taken_over() -> None:
    looked = Examination(None, 1)
    looked.look("federated", Fixed(0))  # type: ignore[arg-type]
    assert looked.confusion == {}
    looked.take("federated", {"confusion": [1, 2, 3, 4], "loss": 1.0})
    looked.take("centralised", {"loss": 1.0})
    assert looked.confusion == {"federated": [[1, 2], [3, 4]]}
