"""Merged statistics are those of the pooled data."""

from __future__ import annotations

from typing import Any

import numpy as np
from flwr.serverapp.strategy import FedAvg

from fedbed.strategies.pooled_statistics import PooledStatistics, pooled
from tests.fedbed.strategies.replies import reply, values


def parts() -> list[np.ndarray[Any, Any]]:
    """Activations of three nodes, which differ in number, centre and spread."""
    rng = np.random.default_rng(5)
    return [
        rng.normal(centre, spread, (count, 4))
        for count, centre, spread in [(50, -3.0, 0.5), (200, 100.0, 2.0), (1000, 101.0, 0.1)]
    ]


def test_of_parts_come_those_of_the_whole() -> None:
    held = parts()
    mean, variance = pooled(
        [part.mean(0) for part in held], [part.var(0) for part in held], [len(p) for p in held]
    )
    whole = np.concatenate(held)
    np.testing.assert_allclose(mean, whole.mean(0), rtol=1e-12)
    np.testing.assert_allclose(variance, whole.var(0), rtol=1e-12)


def test_it_does_not_cancel_far_from_zero() -> None:
    means = [np.array([1e8]), np.array([1e8])]
    _, variance = pooled(means, [np.array([1e-6]), np.array([3e-6])], [1, 1])
    np.testing.assert_allclose(variance, [2e-6])


def test_only_statistics_are_merged_so() -> None:
    replies = [
        reply(
            node,
            {
                "bn.weight": np.full(4, node, np.float32),
                "bn.running_mean": part.mean(0).astype(np.float32),
                "bn.running_var": part.var(0).astype(np.float32),
            },
            **{"num-examples": len(part)},
        )
        for node, part in enumerate(parts(), start=1)
    ]
    record, metrics = PooledStatistics(FedAvg()).aggregate_train(1, replies)
    assert metrics is not None
    model, whole = values(record), np.concatenate(parts())
    np.testing.assert_allclose(model["bn.running_mean"], whole.mean(0), rtol=1e-5)
    np.testing.assert_allclose(model["bn.running_var"], whole.var(0), rtol=1e-5)
    assert {array.dtype for array in model.values()} == {np.dtype(np.float32)}
    plain = values(FedAvg().aggregate_train(1, replies)[0])
    np.testing.assert_array_equal(model["bn.weight"], plain["bn.weight"])
    assert (plain["bn.running_var"] < 0.1 * whole.var(0)).all()


def test_models_without_statistics_stay_as_they_are() -> None:
    replies = [reply(node, {"w": np.full(2, node, np.float32)}) for node in (1, 2)]
    record, _ = PooledStatistics(FedAvg()).aggregate_train(1, replies)
    np.testing.assert_array_equal(values(record)["w"], [1.5, 1.5])
    assert PooledStatistics(FedAvg()).aggregate_train(1, []) == (None, None)
