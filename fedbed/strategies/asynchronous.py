"""What asynchronous strategies have in common: updates are taken in one by one, as they come.

There are no rounds in which nodes wait for each other. Up to `concurrency` nodes train at a time;
whoever has answered is sent the newest model at once. When enough updates are in, the strategy
makes the model's next version from them; history, page and report count versions as rounds.
`coordinator/runner/asynchronous.py` drives it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg

from fedbed.errors import RunFailed


class Asynchronous(FedAvg):
    """Base of asynchronous strategies.

    fraction_train: share of the nodes that train at a time, where `concurrency` doesn't say how
    many. max_staleness: an update to a model that is more versions old is dropped; null: none is.
    proximal_mu: weight of the proximal term in the nodes' loss (FedProx, arXiv 1812.06127).
    """

    def __init__(
        self,
        concurrency: int | None = None,
        max_staleness: int | None = None,
        proximal_mu: float = 0.0,
        fraction_train: float = 1.0,
        weighted_by_key: str = "num-examples",
    ) -> None:
        super().__init__(
            fraction_train=fraction_train,
            fraction_evaluate=0.0,
            min_train_nodes=1,
            min_available_nodes=1,
            weighted_by_key=weighted_by_key,
        )
        if concurrency is not None and concurrency < 1:
            raise ValueError(f"concurrency is {concurrency}, but must be 1 or more")
        if max_staleness is not None and max_staleness < 0:
            raise ValueError(f"max_staleness is {max_staleness}, but must be 0 or more")
        if proximal_mu < 0:
            raise ValueError(f"proximal_mu is {proximal_mu:g}, but must be 0 or more")
        self.concurrency = concurrency
        self.max_staleness = max_staleness
        self.proximal_mu = proximal_mu

    def at_a_time(self, nodes: int) -> int:
        """Return how many of `nodes` nodes train at a time."""
        wanted = self.concurrency or int(nodes * self.fraction_train + 1e-9)
        return max(1, min(nodes, wanted))

    def begin(self, nodes: int) -> None:
        """Prepare for `nodes` nodes; called once before the first update."""

    def message(
        self, node_id: int, server_round: int, arrays: ArrayRecord, config: Mapping[str, Any]
    ) -> Message:
        """Return what asks a node to train on `arrays`, towards version `server_round`."""
        asked = ConfigRecord({**config, "server-round": server_round})
        if self.proximal_mu:
            asked["proximal-mu"] = self.proximal_mu
        content = RecordDict({self.arrayrecord_key: arrays, self.configrecord_key: asked})
        return Message(content, node_id, MessageType.TRAIN)

    def is_too_stale(self, staleness: int) -> bool:
        """Whether an update to a model so many versions old is dropped."""
        return self.max_staleness is not None and staleness > self.max_staleness

    @abstractmethod
    def take_in(
        self, came: ArrayRecord, sent: ArrayRecord, staleness: int, examples: float
    ) -> None:
        """Take an update in.

        came: the model as the node has trained it; decodes lazily, and not after this call. sent:
        what it was sent. staleness: versions since then. examples: the node's samples.
        """

    @abstractmethod
    def is_full(self) -> bool:
        """Whether enough is in for the next version."""

    @abstractmethod
    def next_version(self, arrays: ArrayRecord) -> ArrayRecord:
        """Return the version after `arrays`, and forget what it was made of."""

    def configure_train(
        self,
        server_round: int,  # noqa: ARG002 - Flower's interface
        arrays: ArrayRecord,  # noqa: ARG002
        config: ConfigRecord,  # noqa: ARG002
        grid: object,  # noqa: ARG002
    ) -> Iterable[Message]:
        """RunFailed: there are no rounds to configure."""
        raise self._no_rounds()

    def aggregate_train(
        self,
        server_round: int,  # noqa: ARG002
        replies: Iterable[Message],  # noqa: ARG002
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """RunFailed: there are no rounds to aggregate."""
        raise self._no_rounds()

    def _no_rounds(self) -> RunFailed:
        name = type(self).__name__
        return RunFailed(f"{name} is asynchronous and knows no rounds: name it in an experiment")
