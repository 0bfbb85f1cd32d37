"""FedBuff and FedAsync against their papers' formulas, written out once more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord

from coordinator.runner import strategy_state
from fedbed import flower
from fedbed.errors import RunFailed
from fedbed.strategies.asynchronous import Asynchronous
from fedbed.strategies.fedasync import FedAsync
from fedbed.strategies.fedbuff import FedBuff
from fedbed.strategies.staleness import hinge, polynomial
from tests.coordinator.runner.models import LocalGrid
from tests.fedbed.strategies.replies import values


def record(value: float, count: int = 0) -> ArrayRecord:
    return flower.array_of({"w": np.full(3, value, np.float32), "n": np.array(count)})


def test_weights_of_staleness() -> None:
    assert [polynomial(s, 0.5) for s in (0, 3, 8)] == [1, 0.5, pytest.approx(1 / 3)]
    assert [hinge(s, 10, 4) for s in (0, 4, 5, 6)] == [1, 1, pytest.approx(1 / 11), 1 / 21]


def test_fedbuff_adds_the_mean_of_weighted_differences() -> None:
    strategy = FedBuff(buffer_size=3, server_lr=0.5)
    strategy.begin(10)
    for came, sent, staleness in [(3.0, 1.0, 0), (5.0, 1.0, 3), (0.0, 2.0, 0)]:
        assert not strategy.is_full()
        strategy.take_in(record(came, 7), record(sent, 4), staleness, examples=100)
    assert strategy.is_full()
    new = values(strategy.next_version(record(10, 10)))
    np.testing.assert_allclose(new["w"], 10 + 0.5 * (2 + 4 / 2 - 2) / 3)
    assert (new["w"].dtype, new["n"].dtype) == (np.float32, np.array(4).dtype)
    assert new["n"] == 10 + round(0.5 * (3 + 3 / 2 + 3) / 3)
    assert not strategy.is_full()


def test_fedbuff_weighs_by_examples_if_asked() -> None:
    strategy = FedBuff(buffer_size=2, weigh="examples")
    strategy.take_in(record(1), record(0), 0, examples=30)
    strategy.take_in(record(5), record(0), 3, examples=10)
    new = values(strategy.next_version(record(0)))
    np.testing.assert_allclose(new["w"], (30 * 1 + 10 * 0.5 * 5) / 40)


@pytest.mark.parametrize(
    ("args", "staleness", "share"),
    [
        ({}, 0, 0.6),
        ({}, 3, 0.3),
        ({"mixing": 0.8, "a": 1.0}, 3, 0.2),
        ({"staleness": "constant"}, 50, 0.6),
        ({"staleness": "hinge", "a": 10.0}, 4, 0.6),
        ({"staleness": "hinge", "a": 10.0}, 5, 0.6 / 11),
    ],
)
def test_fedasync_mixes_each_update_in(args: Any, staleness: int, share: float) -> None:
    strategy = FedAsync(**args)
    assert not strategy.is_full()
    strategy.take_in(record(2, 5), record(99), staleness, examples=1)
    assert strategy.is_full()
    new = values(strategy.next_version(record(1)))
    np.testing.assert_allclose(new["w"], (1 - share) * 1 + share * 2, rtol=1e-6)
    assert new["n"] == 5
    assert not strategy.is_full()


def test_how_many_train_at_a_time_and_how_many_updates_make_a_version() -> None:
    assert FedAsync().at_a_time(8) == 8
    assert FedAsync(fraction_train=0.3).at_a_time(10) == 3
    assert FedAsync(fraction_train=0.1).at_a_time(4) == 1
    assert FedAsync(concurrency=3, fraction_train=0.1).at_a_time(8) == 3
    assert FedAsync(concurrency=30).at_a_time(8) == 8
    strategy = FedBuff(concurrency=5)
    strategy.begin(8)
    assert strategy.buffer_size == 3


def test_what_is_too_stale() -> None:
    assert not FedBuff().is_too_stale(1000)
    assert [FedBuff(max_staleness=2).is_too_stale(s) for s in (2, 3)] == [False, True]


def test_the_message_carries_the_model_and_what_the_worker_reads() -> None:
    flower.become(7, flower.SERVER_NODE_ID)
    message = FedAsync(proximal_mu=0.01).message(3, 5, record(1), {"lr": 0.1})
    assert (message.metadata.dst_node_id, message.metadata.message_type) == (3, "train")
    (config,) = message.content.config_records.values()
    assert dict(config) == {"lr": 0.1, "server-round": 5, "proximal-mu": 0.01}
    assert list(message.content.array_records) == ["arrays"]


@pytest.mark.parametrize("make", [FedBuff, FedAsync])
def test_a_half_full_buffer_survives_a_restart(make: Any) -> None:
    one, other = make(), make()
    one.begin(4)
    one.take_in(record(4, 2), record(1, 1), 1, examples=1)
    strategy_state.restore(other, *strategy_state.capture(one))
    for strategy in (one, other):
        while not strategy.is_full():
            strategy.take_in(record(2, 2), record(1, 1), 0, examples=1)
    here, there = (values(s.next_version(record(3))) for s in (one, other))
    np.testing.assert_array_equal(here["w"], there["w"])


@pytest.mark.parametrize("strategy", [FedBuff(), FedAsync()])
def test_they_know_no_rounds(strategy: Asynchronous) -> None:
    with pytest.raises(RunFailed, match="is asynchronous and knows no rounds"):
        strategy.configure_train(1, record(1), ConfigRecord(), LocalGrid())
    with pytest.raises(RunFailed, match="is asynchronous and knows no rounds"):
        strategy.aggregate_train(1, [])
