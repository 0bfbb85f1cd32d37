"""Other weights in the average than the number of samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import Strategy

from fedbed.strategies.wrapper import Wrapper


class Reweighted(Wrapper):
    """Changes how much each update counts in a strategy that averages.

    by: 'uniform': all the same, whatever they hold; 'validation-loss': by the softmax of
    -loss / temperature (as Boltzmann weights), the loss being that of each update by itself on
    samples that the coordinator keeps back (`data.validation_samples`). Nobody can lie about that
    one, but it prefers nodes whose data look like the samples kept back, and costs a test of each
    update in every round.

    strategy: one that weighs by a metric, such as FedAvg, FedAdam or FedProx; those that look for
    medians or neighbours don't weigh. temperature: in units of the loss; a high one levels the
    weights. weighted_by_key: the metric that the strategy weighs by.
    """

    def __init__(
        self,
        strategy: Strategy,
        by: Literal["uniform", "validation-loss"] = "uniform",
        temperature: float = 1.0,
        weighted_by_key: str = "num-examples",
    ) -> None:
        super().__init__(strategy)
        if temperature <= 0:
            raise ValueError(f"temperature is {temperature:g}, but must be above 0")
        self.by = by
        self.temperature = temperature
        self.weighted_by_key = weighted_by_key
        self.validate: Callable[[ArrayRecord], float] | None = None
        """Returns the loss of a model on the samples kept back; set before the first round."""

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Give every update its weight, and have the strategy make the model."""
        came = list(replies)
        usable = [reply for reply in came if reply.has_content()]
        for reply, weight in zip(usable, self._weights(usable), strict=True):
            reply.content = self._weighing(reply.content, weight)
        return super().aggregate_train(server_round, came)

    def _weights(self, replies: Sequence[Message]) -> list[float]:
        if self.by == "uniform":
            return [1.0] * len(replies)
        if self.validate is None:
            raise ValueError("weights by validation loss need samples that are kept back for it")
        models = [next(iter(reply.content.array_records.values())) for reply in replies]
        return boltzmann([self.validate(model) for model in models], self.temperature)

    def _weighing(self, content: RecordDict, weight: float) -> RecordDict:
        changed = RecordDict(dict(content))
        for name, record in content.metric_records.items():
            if self.weighted_by_key in record:
                changed[name] = MetricRecord({**record, self.weighted_by_key: weight})
        return changed


def boltzmann(losses: Sequence[float], temperature: float) -> list[float]:
    """Return weights in proportion to exp(-loss / temperature), the best one's being 1.

    A loss that isn't finite weighs nothing; if none is, all weigh the same.
    """
    best = min((loss for loss in losses if math.isfinite(loss)), default=None)
    if best is None:
        return [1.0] * len(losses)
    return [
        math.exp((best - loss) / temperature) if math.isfinite(loss) else 0.0 for loss in losses
    ]
