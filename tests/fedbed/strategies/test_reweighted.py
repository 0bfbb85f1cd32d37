"""Weights other than the number of samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from flwr.app import ArrayRecord
from flwr.serverapp.strategy import FedAvg

from fedbed.strategies.reweighted import Reweighted, boltzmann
from tests.fedbed.strategies.replies import reply, values


def weights_of(strategy: Reweighted) -> list[float]:
    """Weights with which nodes of 1, 2 and 997 samples go into the average."""
    replies = [
        reply(node + 1, {"w": np.eye(3, dtype=np.float32)[node]}, **{"num-examples": samples})
        for node, samples in enumerate((1, 2, 997))
    ]
    record, _ = strategy.aggregate_train(1, replies)
    return [round(float(share), 6) for share in values(record)["w"]]


def test_uniform() -> None:
    assert weights_of(Reweighted(FedAvg())) == [pytest.approx(1 / 3, abs=1e-6)] * 3


def test_by_the_loss_of_each_update() -> None:
    strategy = Reweighted(FedAvg(), by="validation-loss", temperature=0.5)
    seen: list[int] = []

    def validate(model: ArrayRecord) -> float:
        seen.append(int(np.argmax(values(model)["w"])))
        return [0.0, 0.5, math.inf][seen[-1]]

    strategy.validate = validate
    e = math.e
    assert weights_of(strategy) == pytest.approx([e / (1 + e), 1 / (1 + e), 0], abs=1e-5)
    assert seen == [0, 1, 2]


def test_boltzmann() -> None:
    assert boltzmann([1000.0, 1000.0], 0.01) == [1, 1]
    assert boltzmann([2.0, 1.0], 1.0) == [pytest.approx(math.exp(-1)), 1]
    assert boltzmann([math.nan, 3.0], 1.0) == [0, 1]
    assert boltzmann([math.nan, math.inf], 1.0) == [1, 1]


def test_without_samples_that_are_kept_back_it_says_so() -> None:
    with pytest.raises(ValueError, match="kept back"):
        weights_of(Reweighted(FedAvg(), by="validation-loss"))
