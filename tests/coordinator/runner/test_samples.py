from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coordinator.runner.samples import Samples
from coordinator.store.blobs import BlobStore
from fedbed import codec
from fedbed.experiment import Experiment
from fedbed.tasks.schedule import fit_seed


def samples(partition: object, nodes: int = 3, delivery: str = "shared") -> Samples:
    experiment = Experiment.model_validate(
        {
            "name": "toy",
            "task": "mnist_softmax",
            "data": {
                "dataset": "synthetic-digits",
                "train_samples": 200,
                "test_samples": 100,
                "partition": partition,
                "delivery": delivery,
            },
            "federation": {"nodes": nodes},
        }
    )
    return Samples(experiment, nodes, 1)


def read(blobs: BlobStore, sha256: str) -> dict[str, np.ndarray[Any, Any]]:
    return codec.decode(blobs.path(sha256).read_bytes())


@pytest.mark.parametrize("delivery", ["shared", "shipped"])
def test_every_partition_gets_its_samples(tmp_path: Path, delivery: str) -> None:
    made, blobs = samples("quantity", delivery=delivery), BlobStore(tmp_path)
    dealt = made.deal(blobs)
    assert made.whole is not None
    for partition, ref in dealt.items():
        assert ref.train is not None
        held = read(blobs, ref.train.sha256)
        wanted = made.train[partition]
        if delivery == "shared":
            assert held["indices"].tolist() == wanted.tolist()
        else:
            assert np.array_equal(held["x"], made.whole.train.x[wanted])
            assert np.array_equal(held["y"], made.whole.train.y[wanted])


def test_replicas_share_one_blob_and_differ_in_their_seed(tmp_path: Path) -> None:
    made = samples("replicas", nodes=100)
    dealt = made.deal(BlobStore(tmp_path))
    assert len({ref.train.sha256 for ref in dealt.values() if ref.train}) == 1
    assert made.sizes() == dict.fromkeys(range(100), 200)
    for server_round in (1, 2, 50):
        assert len({fit_seed(1, server_round, partition) for partition in dealt}) == 100


def test_the_plan_is_kept_beside_the_results(tmp_path: Path) -> None:
    made = samples("shards")
    made.save(tmp_path / "partition.npz")
    with np.load(tmp_path / "partition.npz") as held:
        assert held["train-2"].tolist() == made.train[2].tolist()
        assert len(held.files) == 6
