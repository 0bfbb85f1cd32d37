"""Batch normalisation's running statistics, merged as statistics and not as weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
from flwr.app import ArrayRecord, Message, MetricRecord
from flwr.serverapp.strategy import Strategy

from fedbed import flower
from fedbed.strategies.wrapper import Wrapper

Values = np.ndarray[Any, Any]
MEAN, VARIANCE = "running_mean", "running_var"
"""How torch names them, behind the layer's name and a dot."""


class PooledStatistics(Wrapper):
    """Merges the running means and variances of all nodes into those of their pooled data.

    The variance of data that several nodes hold is the mean of their variances plus the variance
    of their means (the law of total variance, weighted by samples). Plain averaging forgets the
    second part, which is large where nodes hold different classes or scenes, and a strategy with
    momentum or adaptive steps even takes statistics for weights and may make a variance negative.
    (How statistics of activations fail in federations: Hsieh et al., arXiv 1910.00189.)

    Every update counts here by its samples, also those that the strategy leaves out: a strategy
    that withstands hostile nodes doesn't protect the statistics.

    strategy: makes everything else of the model. weighted_by_key: the metric with the samples.
    """

    def __init__(self, strategy: Strategy, weighted_by_key: str = "num-examples") -> None:
        super().__init__(strategy)
        self.weighted_by_key = weighted_by_key

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Return the strategy's model with merged statistics."""
        came = list(replies)
        made, metrics = super().aggregate_train(server_round, came)
        if made is None:
            return None, metrics
        contents = [reply.content for reply in came if reply.has_content()]
        records = [next(iter(content.array_records.values())) for content in contents]
        weights = [
            float(cast(float, next(iter(content.metric_records.values()))[self.weighted_by_key]))
            for content in contents
        ]
        merged = flower.views_of(made)
        for mean_name in [name for name in merged if name.rpartition(".")[2] == MEAN]:
            variance_name = mean_name[: -len(MEAN)] + VARIANCE
            if variance_name not in merged:
                continue
            mean, variance = pooled(
                [record[mean_name].numpy() for record in records],
                [record[variance_name].numpy() for record in records],
                weights,
            )
            merged[mean_name] = mean.astype(merged[mean_name].dtype)
            merged[variance_name] = variance.astype(merged[variance_name].dtype)
        return flower.array_of(merged), metrics


def pooled(
    means: Sequence[Values], variances: Sequence[Values], samples: Sequence[float]
) -> tuple[Values, Values]:
    """Return mean and variance (float64) of data in several parts from those of the parts.

    samples: of each part, above 0 in all.
    """
    shares = np.asarray(samples, np.float64) / np.sum(samples, dtype=np.float64)
    centres = np.asarray(means, np.float64)
    mean = np.tensordot(shares, centres, 1)
    # Deviations are squared, not means subtracted from means of squares: that would cancel.
    spread = np.tensordot(shares, np.square(centres - mean), 1)
    within = np.tensordot(shares, np.asarray(variances, np.float64), 1)
    return np.asarray(mean), np.asarray(within + spread)
