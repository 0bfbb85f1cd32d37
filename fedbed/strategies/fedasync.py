"""FedAsync: each update is mixed into the model by itself, the less the older it is."""

from __future__ import annotations

from typing import Any, Dict, Literal

import numpy as np
from flwr.app import ArrayRecord

from fedbed import flower
from fedbed.strategies.asynchronous import Asynchronous
from fedbed.strategies.staleness import hinge, polynomial

Values = np.ndarray[Any, Any]


class FedAsync(Asynchronous):
    """Asynchronous federated optimisation (Xie et al., arXiv 1903.03934).

    Every update makes a version: (1 - m) times the model plus m times what the node sent, where m
    is `mixing` times a function of the staleness.

    mixing: the paper's alpha. staleness: 'constant' (always 1), 'polynomial' ((1 + s) ** -a) or
    'hinge' (1 up to s = b, then 1 / (a * (s - b) + 1)); a and b are its parameters. concurrency:
    how many nodes train at a time; null: the experiment's `fraction`. max_staleness: an update to
    a model that is more versions old is dropped; null: none is. proximal_mu: the paper's rho, the
    weight of a proximal term in the nodes' loss.
    """

    def __init__(
        self,
        mixing: float = 0.6,
        staleness: Literal["constant", "polynomial", "hinge"] = "polynomial",
        a: float = 0.5,
        b: float = 4.0,
        concurrency: int | None = None,
        max_staleness: int | None = None,
        proximal_mu: float = 0.0,
        fraction_train: float = 1.0,
        weighted_by_key: str = "num-examples",
    ) -> None:
        super().__init__(concurrency, max_staleness, proximal_mu, fraction_train, weighted_by_key)
        if not 0 < mixing <= 1:
            raise ValueError(f"mixing is {mixing:g}, but must be above 0 and at most 1")
        if a <= 0 or b < 0:
            raise ValueError(f"a is {a:g} and b is {b:g}, but a must be above 0 and b 0 or more")
        self.mixing = mixing
        self.staleness = staleness
        self.a = a
        self.b = b
        self.came: Dict[str, Values] = {}
        self.share = 0.0
        """How much of the next version is what came."""

    def share_of(self, staleness: int) -> float:
        """Return how much of the next version an update makes up, 0 to 1."""
        if self.staleness == "polynomial":
            return self.mixing * polynomial(staleness, self.a)
        if self.staleness == "hinge":
            return self.mixing * hinge(staleness, self.a, self.b)
        return self.mixing

    def take_in(
        self,
        came: ArrayRecord,
        sent: ArrayRecord,  # noqa: ARG002 - models are mixed, not what was changed of them
        staleness: int,
        examples: float,  # noqa: ARG002 - the paper doesn't weigh by it
    ) -> None:
        """Hold an update for the version that it makes; see `Asynchronous.take_in`."""
        self.came = flower.ndarrays_of(came)
        self.share = self.share_of(staleness)

    def is_full(self) -> bool:
        """Whether an update is in."""
        return bool(self.came)

    def next_version(self, arrays: ArrayRecord) -> ArrayRecord:
        """Mix what came into the model."""
        new = {
            name: _mixed(values, self.came[name], self.share)
            for name, values in flower.views_of(arrays).items()
        }
        self.came, self.share = {}, 0.0
        return flower.array_of(new)


def _mixed(values: Values, came: Values, share: float) -> Values:
    if values.dtype.kind != "f":
        return came
    mixed: Values = ((1 - share) * values + share * came).astype(values.dtype)
    return mixed
