"""FedBuff: the mean of a few updates, whoever they come from and however old they are."""

from __future__ import annotations

from typing import Any, Dict, Literal

import numpy as np
from flwr.app import ArrayRecord

from fedbed import flower
from fedbed.strategies.asynchronous import Asynchronous
from fedbed.strategies.staleness import polynomial

Values = np.ndarray[Any, Any]


class FedBuff(Asynchronous):
    """Federated learning with buffered asynchronous aggregation (Nguyen et al., arXiv 2106.06639).

    A buffer sums what nodes have changed of the model that they were sent, each update weighted by
    (1 + staleness) ** -0.5. When `buffer_size` are in, `server_lr` times their mean is added to the
    model.

    buffer_size: null is half of the nodes that train at a time, rounded up. server_lr: factor on
    the mean. weigh: 'uniform' as in the paper, or by 'examples', for nodes that hold unequal
    numbers of samples. concurrency: how many nodes train at a time; null: the experiment's
    `fraction`. max_staleness: an update to a model that is more versions old is dropped; null:
    none is. proximal_mu: FedProx's term in the nodes' loss.
    """

    def __init__(
        self,
        buffer_size: int | None = None,
        server_lr: float = 1.0,
        weigh: Literal["uniform", "examples"] = "uniform",
        concurrency: int | None = None,
        max_staleness: int | None = None,
        proximal_mu: float = 0.0,
        fraction_train: float = 1.0,
        weighted_by_key: str = "num-examples",
    ) -> None:
        super().__init__(concurrency, max_staleness, proximal_mu, fraction_train, weighted_by_key)
        if buffer_size is not None and buffer_size < 1:
            raise ValueError(f"buffer_size is {buffer_size}, but must be 1 or more")
        if server_lr <= 0:
            raise ValueError(f"server_lr is {server_lr:g}, but must be above 0")
        self.buffer_size = buffer_size
        self.server_lr = server_lr
        self.weigh = weigh
        self.total: Dict[str, Values] = {}
        """Weighted sum of the differences in the buffer."""
        self.weight = 0.0
        """What the sum is divided by; staleness is no part of it, so that old updates count for
        less even where all are old."""
        self.count = 0

    def begin(self, nodes: int) -> None:
        """Settle the buffer's size."""
        if self.buffer_size is None:
            self.buffer_size = (self.at_a_time(nodes) + 1) // 2

    def take_in(
        self, came: ArrayRecord, sent: ArrayRecord, staleness: int, examples: float
    ) -> None:
        """Add an update to the buffer; see `Asynchronous.take_in`."""
        share = examples if self.weigh == "examples" else 1.0
        factor = share * polynomial(staleness, 0.5)
        base = flower.views_of(sent)
        for name, array in came.items():
            values = array.numpy()
            wide = np.promote_types(values.dtype, np.float32)
            difference = np.subtract(values, base[name], dtype=wide)
            difference *= factor
            if name in self.total:
                self.total[name] += difference
            else:
                self.total[name] = difference
        self.weight += share
        self.count += 1

    def is_full(self) -> bool:
        """Whether `buffer_size` updates are in."""
        return self.count >= (self.buffer_size or 1)

    def next_version(self, arrays: ArrayRecord) -> ArrayRecord:
        """Add the buffer's mean to the model, and empty it."""
        step = self.server_lr / self.weight
        new = {
            name: _added(values, self.total[name], step)
            for name, values in flower.views_of(arrays).items()
        }
        self.total, self.weight, self.count = {}, 0.0, 0
        return flower.array_of(new)


def _added(values: Values, total: Values, step: float) -> Values:
    new: Values = values + step * total
    return (new if values.dtype.kind == "f" else np.rint(new)).astype(values.dtype)
