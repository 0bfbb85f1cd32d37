from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedbed import data
from fedbed.errors import ExperimentError
from fedbed.experiment import Experiment
from fedbed.experiment.division import Division


def experiment(nodes: int = 4, task: str = "mnist_softmax", **of_data: Any) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "toy",
            "task": task,
            "data": {"dataset": "synthetic-digits", **of_data},
            "federation": {"nodes": nodes, "batch_size": 1},
            "centralised": {"enabled": False},
        }
    )


def masked(count: int, classes: int) -> data.Split:
    """Masks of one class each, in turn; two in a group."""
    rng = np.random.RandomState(0)
    y = np.zeros((count, 2, 3), np.uint8) + (np.arange(count) % classes)[:, None, None]
    x = rng.randint(0, 255, (count, 2, 3, 3))
    return data.Split(x.astype(np.uint8), y.astype(np.uint8), np.arange(count) // 2)


@pytest.fixture
def clouds(monkeypatch: pytest.MonkeyPatch) -> data.Dataset:
    """A data set with masks and groups, in the place of every other."""
    made = data.Dataset("toy", masked(24, 3), masked(6, 3), ("clear", "cloud", "shadow"))
    monkeypatch.setattr(data, "load", lambda *_args: made)
    return made


def test_everything_is_dealt_and_described() -> None:
    made = Division(experiment(5, train_samples=300, partition="dirichlet"), 1)
    assert made.whole is not None
    assert sorted(np.concatenate(made.train)) == list(range(300))
    assert made.counts.sum() == 300
    said = made.describe()
    assert said["train_sizes"] == [len(part) for part in made.train]
    assert (said["unit"], said["overlapping"], said["args"]) == ("samples", False, {"alpha": 0.5})
    assert 0.1 < said["heterogeneity"] < 0.9
    assert "groups" not in said


def test_nodes_with_data_of_their_own_are_not_divided() -> None:
    made = Division(experiment(delivery="node"), 1)
    assert (made.whole, made.train, made.describe()) == (None, [], {})


def test_masks_are_counted_by_pixel_and_groups_stay_whole(clouds: data.Dataset) -> None:
    scenes = {"dataset": "synthetic-clouds", "task": "clouds_unet"}
    made = Division(experiment(3, partition="groups", **scenes), 1)
    said = made.describe()
    assert said["unit"] == "pixels"
    assert said["groups"] == [4, 4, 4]
    assert made.counts.sum() == clouds.train.y.size
    assert Division(experiment(2, partition="replicas", **scenes), 1).describe()["overlapping"]


def test_classes_that_are_tested_and_at_no_node_are_named() -> None:
    with pytest.raises(ExperimentError) as caught:
        Division(experiment(2, train_samples=12), 1)
    assert str(caught.value) == (
        "no node holds class '1', '4': none of the 12 training samples of synthetic-digits in use "
        "is of it, but test samples are; raise data.train_samples"
    )


def test_schemes_that_overlap_may_have_fewer_samples_than_nodes() -> None:
    assert experiment(50, train_samples=20, partition="replicas").federation.nodes == 50
    with pytest.raises(ValueError, match="20 is too few for 50 nodes"):
        experiment(50, train_samples=20)
