"""The average of the last rounds' models, in place of the last one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Dict, Literal

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedbed import flower
from fedbed.strategies.wrapper import Wrapper

Arrays = Dict[str, "np.ndarray[Any, Any]"]


class AverageOfRounds(Wrapper):
    """Averages the models that a strategy makes over rounds; the average is tested and kept.

    Polyak averaging (Polyak & Juditsky 1992) at the server, with the uniform window of stochastic
    weight averaging (Izmailov et al., arXiv 1803.05407) or an exponential mean. Arrays of floats
    are averaged, of others the newest counts.

    strategy: makes the models. over: 'uniform' over the `last` models (which are held in memory),
    or 'exponential': `decay` times the mean so far plus the rest of the new model. go_on_from:
    what the nodes train on from, the strategy's 'raw' model or the 'average'.
    """

    def __init__(
        self,
        strategy: Strategy,
        over: Literal["uniform", "exponential"] = "uniform",
        last: int = 5,
        decay: float = 0.5,
        go_on_from: Literal["raw", "average"] = "raw",
    ) -> None:
        super().__init__(strategy)
        if last < 1:
            raise ValueError(f"last is {last}, but must be 1 or more")
        if not 0 <= decay < 1:
            raise ValueError(f"decay is {decay:g}, but must be from 0 to below 1")
        self.over = over
        self.last = last
        self.decay = decay
        self.go_on_from = go_on_from
        self.raw: ArrayRecord | None = None
        self.held: Arrays = {}
        """'age/name' -> array, age 0 being the newest; of an exponential mean only that of age 0.
        One flat dictionary, because a checkpoint can hold that."""
        self.count = 0
        """How many models are held."""

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Have the nodes train on from `go_on_from`."""
        if self.go_on_from == "raw" and self.raw is not None:
            arrays = self.raw
        return super().configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Return the average in place of the strategy's model."""
        made, metrics = super().aggregate_train(server_round, replies)
        if made is None:
            return None, metrics
        if self.go_on_from == "raw":
            self.raw = made
        new = flower.ndarrays_of(made)
        average = self._exponential(new) if self.over == "exponential" else self._uniform(new)
        return flower.array_of(average), metrics

    def _uniform(self, new: Arrays) -> Arrays:
        ages = range(min(self.count, self.last - 1))
        older = {f"{age + 1}/{name}": self.held[f"{age}/{name}"] for age in ages for name in new}
        self.held = {**{f"0/{name}": array for name, array in new.items()}, **older}
        self.count = len(ages) + 1
        return {
            name: _mean([self.held[f"{age}/{name}"] for age in range(self.count)]) for name in new
        }

    def _exponential(self, new: Arrays) -> Arrays:
        mean = new
        if self.count:
            mean = {
                name: _mixed(self.held[f"0/{name}"], array, self.decay)
                for name, array in new.items()
            }
        self.held = {f"0/{name}": array for name, array in mean.items()}
        self.count = 1
        return mean


def _mean(arrays: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """Return the mean, the newest being first; of what isn't a float the newest."""
    if arrays[0].dtype.kind != "f":
        return arrays[0]
    return np.mean(arrays, axis=0, dtype=np.float64).astype(arrays[0].dtype)


def _mixed(
    mean: np.ndarray[Any, Any], new: np.ndarray[Any, Any], decay: float
) -> np.ndarray[Any, Any]:
    if new.dtype.kind != "f":
        return new
    mixed: np.ndarray[Any, Any] = (decay * mean + (1 - decay) * new).astype(new.dtype)
    return mixed
