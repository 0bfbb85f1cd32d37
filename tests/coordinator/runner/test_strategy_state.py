"""Two rounds straight, or one, a crash and another: the same bits."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord
from flwr.serverapp import strategy as flwr

from coordinator.runner import strategy_state
from fedbed import codec, flower
from tests.coordinator.runner.models import NODES, LocalGrid, bits, model

MIN: dict[str, Any] = {
    "min_train_nodes": NODES,
    "min_available_nodes": NODES,
    "min_evaluate_nodes": NODES,
}
STRATEGIES: dict[str, Callable[[], flwr.Strategy]] = {
    "FedAvg": lambda: flwr.FedAvg(**MIN),
    "FedProx": lambda: flwr.FedProx(proximal_mu=0.1, **MIN),
    "FedAvgM": lambda: flwr.FedAvgM(server_momentum=0.9, server_learning_rate=0.5, **MIN),
    "FedAdam": lambda: flwr.FedAdam(**MIN),
    "FedYogi": lambda: flwr.FedYogi(**MIN),
    "FedAdagrad": lambda: flwr.FedAdagrad(**MIN),
    "FedMedian": lambda: flwr.FedMedian(**MIN),
    "FedTrimmedAvg": lambda: flwr.FedTrimmedAvg(**MIN),
    "Krum": lambda: flwr.Krum(num_malicious_nodes=1, **MIN),
    "MultiKrum": lambda: flwr.MultiKrum(num_malicious_nodes=1, num_nodes_to_select=2, **MIN),
    "Bulyan": lambda: flwr.Bulyan(num_malicious_nodes=0, **MIN),
    "QFedAvg": lambda: flwr.QFedAvg(client_learning_rate=0.1, train_loss_key="loss", **MIN),
    "DP": lambda: flwr.DifferentialPrivacyServerSideFixedClipping(
        flwr.FedAdam(**MIN), noise_multiplier=0.1, clipping_norm=1.0, num_sampled_clients=NODES
    ),
}


def one_round(strategy: flwr.Strategy, number: int, arrays: ArrayRecord) -> ArrayRecord:
    grid = LocalGrid()
    random.seed(number)
    np.random.seed(number)
    sent = strategy.configure_train(number, arrays, ConfigRecord({"lr": 0.1}), grid)
    aggregated, _ = strategy.aggregate_train(number, grid.send_and_receive(sent))
    assert aggregated is not None
    return aggregated


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_goes_on_where_it_was(name: str) -> None:
    straight = STRATEGIES[name]()
    first = one_round(straight, 1, flower.array_of(model()))
    expected = one_round(straight, 2, first)

    before = STRATEGIES[name]()
    halfway = one_round(before, 1, flower.array_of(model()))
    plain, arrays = strategy_state.capture(before)
    plain = json.loads(json.dumps(plain))
    arrays = codec.decode(codec.encode(arrays, "raw")) if arrays else {}
    after = STRATEGIES[name]()
    strategy_state.restore(after, plain, arrays)
    resumed = one_round(after, 2, flower.array_of(flower.ndarrays_of(halfway)))
    assert bits(resumed) == bits(expected)


def test_the_state_matters() -> None:
    """Without it FedAdam's second round is another one: the test above can fail."""
    straight = STRATEGIES["FedAdam"]()
    first = one_round(straight, 1, flower.array_of(model()))
    assert bits(one_round(STRATEGIES["FedAdam"](), 2, first)) != bits(one_round(straight, 2, first))
