"""Masks on their way from the data set to the nodes, at the size that the experiment asks for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from coordinator.runner.samples import Samples
from coordinator.store.blobs import BlobStore
from fedbed import codec, tasks
from fedbed.data import Dataset, load
from fedbed.experiment import loads
from fedbed.link.messages import BlobRef


@pytest.fixture(autouse=True)
def segmentation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task by name that takes masks of 32x32; nothing here trains."""
    takes = tasks._Task("none", (32, 32, 3), ("numpy",), "masks")
    monkeypatch.setitem(tasks._TASKS, "mnist_softmax", takes)


def samples(delivery: str) -> Samples:
    text = {
        "name": "x",
        "task": "mnist_softmax",
        "data": {
            "dataset": "synthetic-clouds",
            "delivery": delivery,
            "train_samples": 24,
            "test_samples": 8,
            "image_size": 32,
        },
        "federation": {"nodes": 3, "evaluate": "both", "batch_size": 4},
        "centralised": {"enabled": delivery != "node"},
    }
    return Samples(loads(json.dumps(text), "x"), 3, seed=1)


@pytest.fixture
def small() -> Dataset:
    return load("synthetic-clouds", 24, 8, image_size=32)


def test_shipped_masks_are_the_small_ones(tmp_path: Path, small: Dataset) -> None:
    blobs = BlobStore(tmp_path)
    found = samples("shipped")
    assert found.whole is not None
    assert np.array_equal(found.whole.test.y, small.test.y)
    for partition, ref in found.deal(blobs).items():
        for blob, split, chosen in (
            (ref.train, small.train, found.train), (ref.test, small.test, found.test)
        ):  # fmt: skip
            assert isinstance(blob, BlobRef)
            arrays = codec.decode(blobs.path(blob.sha256).read_bytes())
            assert arrays["y"].dtype == np.uint8
            assert np.array_equal(arrays["y"], split.y[chosen[partition]])
            assert np.array_equal(arrays["x"], split.x[chosen[partition]])


@pytest.mark.parametrize("delivery", ["shared", "node"])
def test_nodes_are_told_the_size(tmp_path: Path, delivery: str) -> None:
    dealt = samples(delivery).deal(BlobStore(tmp_path))
    assert {ref.image_size for ref in dealt.values()} == {32}
    assert len(dealt) == 3
