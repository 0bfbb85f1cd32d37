"""Averages over rounds, by themselves and through the driver's checkpoints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord
from flwr.serverapp.strategy import FedAvg

from coordinator.runner import strategy_state
from fedbed import flower
from fedbed.strategies.average_of_rounds import AverageOfRounds
from tests.coordinator.runner.models import LocalGrid
from tests.fedbed.strategies.replies import reply, values


def made(strategy: AverageOfRounds, *models: float) -> list[float]:
    """What comes of rounds whose strategy makes models of these values."""
    seen = []
    for number, value in enumerate(models, start=1):
        arrays = {"w": np.full(3, value, np.float32), "steps": np.array(int(value))}
        record, _ = strategy.aggregate_train(number, [reply(1, arrays)])
        assert values(record)["w"].dtype == np.float32
        seen.append(float(values(record)["w"][0]))
    return seen


def test_uniform_over_the_last() -> None:
    assert made(AverageOfRounds(FedAvg(), last=3), 0, 3, 6, 9, 12) == [0, 1.5, 3, 6, 9]
    assert made(AverageOfRounds(FedAvg(), last=1), 1, 5, 7) == [1, 5, 7]


def test_exponential() -> None:
    strategy = AverageOfRounds(FedAvg(), over="exponential", decay=0.75)
    assert made(strategy, 0, 4, 8) == [0, 1, 2.75]


@pytest.mark.parametrize(("go_on_from", "sent"), [("raw", 8.0), ("average", 4.0)])
def test_nodes_train_on_from(go_on_from: Any, sent: float) -> None:
    strategy = AverageOfRounds(FedAvg(), last=2, go_on_from=go_on_from)
    (_, average) = made(strategy, 0, 8)
    shown = flower.array_of({"w": np.full(3, average, np.float32)})
    messages = strategy.configure_train(3, shown, ConfigRecord(), LocalGrid())
    for message in messages:
        (record,) = message.content.array_records.values()
        assert values(record)["w"][0] == sent


@pytest.mark.parametrize("over", ["uniform", "exponential"])
def test_it_goes_on_after_a_restart(over: Any) -> None:
    straight = made(AverageOfRounds(FedAvg(), over, last=3), 1, 2, 3, 5, 8)
    before = AverageOfRounds(FedAvg(), over, last=3)
    made(before, 1, 2, 3)
    after = AverageOfRounds(FedAvg(), over, last=3)
    strategy_state.restore(after, *strategy_state.capture(before))
    assert made(after, 5, 8) == straight[3:]


def test_a_round_without_a_model_changes_nothing() -> None:
    strategy = AverageOfRounds(FedAvg(), last=2)
    made(strategy, 2)
    assert strategy.aggregate_train(2, []) == (None, None)
    assert made(strategy, 4) == [3]
