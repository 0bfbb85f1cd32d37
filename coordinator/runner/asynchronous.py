"""Rounds without rounds: nodes train on the newest model there is, and nobody waits for anybody.

The counterpart of `Driver` for strategies that are `Asynchronous`. Each node that trains has an
exchange of its own. What it sends is taken in as it comes; when the strategy has enough, the next
version of the model is made, and takes the place of a round in history, page and report.

A run's process that was killed goes on from the last version's checkpoint. An exchange's number
follows from its node and from how often that was asked, whatever the others did, so what nodes had
in hand at that version is asked of them once more in the same words, and their work isn't lost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, cast

from flwr.app import ArrayRecord, ConfigRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy

from coordinator.runner.channel import Channel
from coordinator.runner.checkpoint import Checkpoints
from coordinator.runner.driver import Driver, EvaluateFn
from coordinator.runner.exchanges import tallied
from coordinator.runner.stream import Ended, StreamGrid, There
from coordinator.runner.turns import Turns
from coordinator.runner.versions import Making
from fedbed import flower
from fedbed.errors import RunFailed
from fedbed.strategies.asynchronous import Asynchronous
from fedbed.tasks.schedule import fit_seed
from fedbed.units import format_count

SEED = "seed"
"""The key of the configuration whose value is another one in every exchange."""


@dataclass(frozen=True)
class Flight:
    """What a node is at work on: the exchange's number, and the model that went out in it."""

    number: int
    version: int
    model: ArrayRecord


class AsynchronousDriver(Driver):
    """Drives an asynchronous strategy over one StreamGrid."""

    def __init__(self, grid: StreamGrid, channel: Channel, checkpoints: Checkpoints) -> None:
        super().__init__(grid, channel, checkpoints)
        self._stream = grid
        self._turns = Turns(1)
        self._flights: dict[int, Flight] = {}
        """By partition."""
        self._held_over: dict[int, tuple[int, int]] = {}
        """Partition -> number and version of what it was at work on before a restart."""
        self._version = 0
        self._making = Making()
        self._tries_in_vain = 0
        self._initial: ArrayRecord = ArrayRecord()
        self._timeout = 0.0
        self._config = ConfigRecord()

    def start(
        self,
        strategy: Strategy,
        grid: Grid,
        initial_arrays: ArrayRecord,
        num_rounds: int = 3,
        timeout: float = 3600,
        train_config: ConfigRecord | None = None,
        evaluate_config: ConfigRecord | None = None,  # noqa: ARG002 - nodes test nothing
        evaluate_fn: EvaluateFn | None = None,
    ) -> Result:
        """Make `num_rounds` versions; otherwise as `Strategy.start`."""
        if grid is not self._stream or not isinstance(strategy, Asynchronous):
            raise RunFailed("only an asynchronous strategy runs without rounds, on its own Grid")
        result = Result()
        self._initial, self._timeout = initial_arrays, timeout
        self._config = ConfigRecord() if train_config is None else train_config
        partitions = self._stream.partitions
        self._turns = Turns(strategy.at_a_time(partitions))
        strategy.begin(partitions)
        under_way = self.resumed.under_way if self.resumed is not None else {}
        self._version, arrays = self._begin(
            strategy, initial_arrays, num_rounds, evaluate_fn, result
        )
        self._take_up(under_way)
        try:
            self._await_nodes()
            self._stream.watch()
            while self._version < num_rounds and not self.is_enough(self.history):
                phase = {"phase": "round", "round": self._version + 1, "rounds": num_rounds}
                self._channel.publish("phase", phase)
                arrays = self._make_version(strategy, arrays, num_rounds, evaluate_fn, result)
        finally:
            self._settle_checkpoint()
        self._stream.withdraw()
        self._end(arrays, result)
        return result

    def _make_version(
        self,
        strategy: Asynchronous,
        arrays: ArrayRecord,
        num_rounds: int,
        evaluate_fn: EvaluateFn | None,
        result: Result,
    ) -> ArrayRecord:
        began = time.monotonic()
        making = self._making = Making()
        taking_s = 0.0
        while not strategy.is_full():
            self._ask(strategy, arrays)
            waiting = time.monotonic()
            event = self._stream.next()
            taking = time.monotonic()
            making.waited_s += taking - waiting
            if isinstance(event, There):
                self._turns.are_there(event.partitions)
            else:
                self._take(strategy, event)
                taking_s += time.monotonic() - taking
        aggregating = time.monotonic()
        arrays = result.arrays = strategy.next_version(arrays)
        aggregate_s = time.monotonic() - aggregating + taking_s
        self._version += 1
        number = self._version
        if number < num_rounds:
            # Nodes get to work before the coordinator tests what it has sent them.
            self._ask(strategy, arrays, wait=False)
        train_metrics = strategy.train_metrics_aggr_fn(making.metrics, strategy.weighted_by_key)
        result.train_metrics_clientapp[number] = train_metrics
        evaluating = time.monotonic()
        server_metrics = None if evaluate_fn is None else evaluate_fn(number, arrays)
        evaluate_s = time.monotonic() - evaluating
        if server_metrics is not None:
            result.evaluate_metrics_serverapp[number] = server_metrics
        self.model = arrays
        entry = making.entry(number, train_metrics, server_metrics, self.metric)
        wall_s = time.monotonic() - began
        entry["aggregate_s"], entry["evaluate_s"] = round(aggregate_s, 4), round(evaluate_s, 4)
        entry["wall_s"] = round(wall_s, 4)
        # What the coordinator spent on it besides testing: nodes train meanwhile, all but one.
        entry["overhead_s"] = round(max(0.0, wall_s - evaluate_s - making.waited_s), 4)
        self._conclude(strategy, entry, arrays, result)
        return arrays

    def _conclude(
        self,
        strategy: Asynchronous,
        entry: dict[str, Any],
        arrays: ArrayRecord,
        result: Result,
    ) -> None:
        """Keep a version, and show it."""
        self.history.append(entry)
        self._settle_checkpoint()
        out = {p: (flight.number, flight.version) for p, flight in self._flights.items()}
        out.update(self._held_over)
        under_way = {
            "turns": self._turns.state(),
            "out": [[p, number, version] for p, (number, version) in sorted(out.items())],
        }
        needed = {version for _, version in out.values()}
        self._checkpoint(strategy, self._version, arrays, result, under_way, needed)
        self._spent = self._stream.take_files(self._stream.models_out())
        self._channel.publish("round", entry)
        self._channel.check_stopped()

    def _ask(self, strategy: Asynchronous, arrays: ArrayRecord, wait: bool = True) -> None:
        """Put as many nodes to work as may be; waits for some where nobody is there, if it may."""
        while True:
            for partition in self._turns.next(self._version):
                self._put_to_work(strategy, partition, arrays)
            if self._turns.busy or not wait:
                return
            if self._turns.is_stuck(self._version):
                self._tries_in_vain += 1
                if self._tries_in_vain >= self._stream.attempts:
                    raise RunFailed(self._all_failed())
                self._turns.wake()
            else:
                self._await_nodes()

    def _put_to_work(self, strategy: Asynchronous, partition: int, arrays: ArrayRecord) -> None:
        flight = self._once_more(strategy, partition)
        if flight is None:
            times = self._turns.ask(partition)
            # Unique and above 0, and none of the other nodes' doing.
            number = (times - 1) * self._stream.partitions + partition + 1
            flight = Flight(number, self._version, arrays)
        self._flights[partition] = flight
        server_round = flight.version + 1
        self.configure_round(server_round, self._config)
        config = dict(self._config)
        if SEED in config:
            # A node may train on the same version again: in another order, or it learns nothing.
            config[SEED] = fit_seed(cast(int, config[SEED]), flight.number, partition)
        message = strategy.message(partition + 1, server_round, flight.model, config)
        self._stream.post(message, flight.number, flight.version, self._timeout)

    def _once_more(self, strategy: Asynchronous, partition: int) -> Flight | None:
        """Return what a node had in hand before a restart, if that is still of use."""
        if partition not in self._held_over:
            return None
        number, version = self._held_over.pop(partition)
        if strategy.is_too_stale(self._version - version):
            return None
        model: ArrayRecord | None = self._initial
        if version:
            held = self._checkpoints.model_of(version)
            model = None if held is None else flower.array_of(held)
        if model is None:
            return None
        self._turns.ask_again(partition)
        return Flight(number, version, model)

    def _take(self, strategy: Asynchronous, ended: Ended) -> None:
        """Take in what has become of a node's exchange."""
        partition = ended.partition
        flight = self._flights.pop(partition)
        if not ended.answer.has_content():
            self._making.unused(partition, ended.exchanged, ended.why)
            if ended.failed:
                self._turns.failed(partition, self._version)
            else:
                self._turns.lost(partition)
                self._stream.watch()  # it may be back already
            return
        self._turns.came(partition)
        self._tries_in_vain = 0
        staleness = self._version - flight.version
        if strategy.is_too_stale(staleness):
            versions = format_count(staleness, "version")
            why = f"its update was {versions} old, {strategy.max_staleness} at most count"
            self._making.unused(partition, ended.exchanged, why)
            name = self._stream.participants[partition].name
            self._channel.publish("event", f"round {self._version + 1}: without {name}: {why}")
            return
        content = ended.answer.content
        (came,) = content.array_records.values()
        (metrics,) = content.metric_records.values()
        examples = float(cast(float, metrics.get(strategy.weighted_by_key, 1.0)))
        strategy.take_in(came, flight.model, staleness, examples)
        self._making.used(ended.exchanged, staleness, content)

    def _await_nodes(self) -> None:
        """Wait until a quorum is there; NodesMissing if it doesn't come in time."""
        there = self._stream.get_node_ids()
        self._turns.are_there([node_id - 1 for node_id in there])

    def _take_up(self, under_way: dict[str, Any]) -> None:
        """Go on from what a checkpoint says was under way."""
        if not under_way:
            return
        self._turns.restore(under_way["turns"])
        self._held_over = {p: (number, version) for p, number, version in under_way["out"]}

    def _all_failed(self) -> str:
        told = tallied(self._making.missing.values())
        return (
            f"round {self._version + 1}: every node failed: {told} (the nodes' worker.log tells "
            "more)"
        )
