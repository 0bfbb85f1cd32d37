"""The rounds: Flower's `Strategy.start`, step by step the same, with a checkpoint after each.

flwr's own loop always begins at round 1 and tells nobody how it goes. This one calls the same
public methods in the same order and returns the same Result, and it is put in place of
`Strategy.start` in a run's process, so that an unmodified app gets it too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy

from coordinator.runner import strategy_state, tested
from coordinator.runner.channel import Channel
from coordinator.runner.checkpoint import Checkpoint, Checkpoints
from coordinator.runner.exchanges import Exchanged
from coordinator.runner.grid import EdgeGrid
from coordinator.runner.pace import Pace
from coordinator.runner.selector import Selector, described
from fedbed import flower
from fedbed.errors import RunFailed

EvaluateFn = Callable[[int, ArrayRecord], MetricRecord | None]
Pool = Callable[[list[Exchanged]], dict[str, Any] | None]
ConfigureRound = Callable[[int, ConfigRecord], None]
_RESULT_PARTS = (
    "train_metrics_clientapp",
    "evaluate_metrics_clientapp",
    "evaluate_metrics_serverapp",
)


class Driver:
    """Drives rounds over one EdgeGrid, and keeps their history."""

    def __init__(self, grid: EdgeGrid, channel: Channel, checkpoints: Checkpoints) -> None:
        self._grid = grid
        self._channel = channel
        self.selector: Selector | None = None
        """Chooses whom a round asks; None where that is the strategy's affair."""
        self.pace: Pace | None = None
        """Says how long a round may take; None where its deadline alone counts."""
        self._checkpoints = checkpoints
        self.resumed: Checkpoint | None = None
        self.history: list[dict[str, Any]] = []
        self.initial: dict[str, Any] = {}
        """Server-side evaluation of the model before the first round."""
        self.model: ArrayRecord | None = None
        self.planned = 0
        self.dtypes: dict[str, str] = {}
        """Native tasks: of the model's arrays, by name, whatever a strategy computes in."""
        self._spent: list[Path] = []
        """Results of the round whose checkpoint is being written."""
        self.configure_round: ConfigureRound = lambda _round, _config: None
        self.is_enough: Callable[[list[dict[str, Any]]], bool] = lambda _history: False
        """Whether the rounds so far will do, and those planned beyond them are left out."""
        self.metric = ""
        """What the task's runs are judged by; empty for a Flower app, whose metrics are its own."""
        self.pool: Pool = lambda _exchanges: None
        """Makes one test of those on the nodes; None: the strategy's average of them stands."""
        self.started_at = time.time()
        """Seconds since 1970; of the run's first process, where it went on after a restart."""
        self._begun = time.monotonic()
        self.elapsed_before_s = 0.0
        """What earlier processes of the run have spent on it."""

    @property
    def elapsed_s(self) -> float:
        """Seconds spent on rounds so far, those before a resumption included."""
        return self.elapsed_before_s + time.monotonic() - self._begun

    def start(
        self,
        strategy: Strategy,
        grid: Grid,
        initial_arrays: ArrayRecord,
        num_rounds: int = 3,
        timeout: float = 3600,
        train_config: ConfigRecord | None = None,
        evaluate_config: ConfigRecord | None = None,
        evaluate_fn: EvaluateFn | None = None,
    ) -> Result:
        """Do what `Strategy.start` does; see there for the arguments."""
        if grid is not self._grid:
            raise RunFailed("the app gave its strategy another Grid than it was called with")
        train_config = ConfigRecord() if train_config is None else train_config
        evaluate_config = ConfigRecord() if evaluate_config is None else evaluate_config
        result = Result()
        done, arrays = self._begin(strategy, initial_arrays, num_rounds, evaluate_fn, result)
        try:
            for number in range(done + 1, num_rounds + 1):
                if self.is_enough(self.history):
                    break
                phase = {"phase": "round", "round": number, "rounds": num_rounds}
                self._channel.publish("phase", phase)
                arrays = self._round(
                    strategy,
                    number,
                    arrays,
                    timeout,
                    train_config,
                    evaluate_config,
                    evaluate_fn,
                    result,
                )
        finally:
            self._settle_checkpoint()
        self._end(arrays, result)
        return result

    def _begin(
        self,
        strategy: Strategy,
        initial: ArrayRecord,
        num_rounds: int,
        evaluate_fn: EvaluateFn | None,
        result: Result,
    ) -> tuple[int, ArrayRecord]:
        """Return how many rounds earlier processes have done, and the model after them."""
        strategy.summary()
        self.planned = num_rounds
        self._grid.lazy = True
        if self.resumed is not None:
            done, arrays = self.resumed.round, self._resume(strategy, result)
            self.resumed = None
            return done, arrays
        first = None if evaluate_fn is None else evaluate_fn(0, initial)
        if first is not None:
            self.initial = tested.figures(first)
            result.evaluate_metrics_serverapp[0] = first
        return 0, initial

    def _end(self, arrays: ArrayRecord, result: Result) -> None:
        self._grid.lazy = False
        self._grid.round = 0
        self.model = arrays
        result.arrays = arrays

    def _round(
        self,
        strategy: Strategy,
        number: int,
        arrays: ArrayRecord,
        timeout: float,
        train_config: ConfigRecord,
        evaluate_config: ConfigRecord,
        evaluate_fn: EvaluateFn | None,
        result: Result,
    ) -> ArrayRecord:
        began = time.monotonic()
        grid = self._grid
        grid.round = number
        self.configure_round(number, train_config)
        choice = None
        if self.selector is not None:
            choice = self.selector.choose(number, self.history)
            grid.offered = choice.partitions
        messages = list(strategy.configure_train(number, arrays, train_config, grid))
        grid.offered = None
        if self.pace is not None:
            asked = [message.metadata.dst_node_id - 1 for message in messages]
            grid.first_try_s = self.pace.limit_s(number, asked, self.history)
        replies = grid.send_and_receive(messages, timeout=timeout)
        grid.first_try_s = None
        # It is written while the nodes train; what it holds, the strategy may change from here on.
        self._settle_checkpoint()
        aggregating = time.monotonic()
        aggregated, train_metrics = strategy.aggregate_train(number, replies)
        aggregate_s = time.monotonic() - aggregating
        if aggregated is not None:
            arrays = result.arrays = _cast(aggregated, self.dtypes)
        if train_metrics is not None:
            result.train_metrics_clientapp[number] = train_metrics
        updates = sum(reply.has_content() for reply in replies)
        del replies
        node_metrics = strategy.aggregate_evaluate(
            number,
            grid.send_and_receive(
                strategy.configure_evaluate(number, arrays, evaluate_config, grid), timeout=timeout
            ),
        )
        pooled = self.pool(grid.log)
        if pooled is not None:
            node_metrics = MetricRecord(pooled)
        if node_metrics is not None:
            result.evaluate_metrics_clientapp[number] = node_metrics
        evaluating = time.monotonic()
        server_metrics = None if evaluate_fn is None else evaluate_fn(number, arrays)
        if server_metrics is not None:
            result.evaluate_metrics_serverapp[number] = server_metrics
        evaluate_s = time.monotonic() - evaluating
        self.model = arrays
        entry = summary(number, grid.log, train_metrics, node_metrics, server_metrics, self.metric)
        if choice is not None:
            entry["selection"] = described(choice)
        entry["aggregate_s"] = round(aggregate_s, 4)
        entry["evaluate_s"] = round(evaluate_s, 4)
        entry["model_kept"] = aggregated is None and updates > 0
        if entry["model_kept"]:
            text = (
                f"round {number}: {type(strategy).__name__} made no new model of {updates} updates"
            )
            self._channel.publish("event", f"{text}; perhaps it needs more of them")
        computing = evaluate_s + sum(exchange.critical_work_s for exchange in grid.log)
        wall_s = time.monotonic() - began
        entry["wall_s"] = round(wall_s, 4)
        entry["overhead_s"] = round(max(0.0, wall_s - computing), 4)
        self.history.append(entry)
        self._checkpoint(strategy, number, arrays, result)
        self._spent = grid.take_files()
        self._channel.publish("round", entry)
        self._channel.check_stopped()
        return arrays

    def _checkpoint(
        self,
        strategy: Strategy,
        number: int,
        arrays: ArrayRecord,
        result: Result,
        under_way: dict[str, Any] | None = None,
        needed: Collection[int] = (),
    ) -> None:
        plain, held = strategy_state.capture(strategy)
        self._checkpoints.begin(
            Checkpoint(
                round=number,
                exchanges=self._grid.exchanges,
                model=flower.views_of(arrays),
                strategy_plain=plain,
                strategy_arrays=held,
                history=self.history,
                result={
                    "initial": self.initial,
                    **{
                        part: {str(r): dict(m) for r, m in getattr(result, part).items()}
                        for part in _RESULT_PARTS
                    },
                },
                traffic=(self._grid.bytes_up, self._grid.bytes_down),
                elapsed_s=self.elapsed_s,
                started_at=self.started_at,
                under_way=under_way or {},
            ),
            needed,
        )

    def _settle_checkpoint(self) -> None:
        """Wait until the last round is on disk; then its results are needed no more."""
        self._checkpoints.settle()
        for file in self._spent:
            file.unlink(missing_ok=True)
        self._spent = []

    def _resume(self, strategy: Strategy, result: Result) -> ArrayRecord:
        held = self.resumed
        assert held is not None
        strategy_state.restore(strategy, held.strategy_plain, held.strategy_arrays)
        for part in _RESULT_PARTS:
            for number, metrics in held.result[part].items():
                getattr(result, part)[int(number)] = MetricRecord(metrics)
        self.initial = held.result["initial"]
        self.history = held.history
        self._grid.exchanges = held.exchanges
        self._grid.bytes_up, self._grid.bytes_down = held.traffic
        self.elapsed_before_s = held.elapsed_s
        self.started_at = held.started_at or self.started_at
        resumed = {"history": list(self.history), "elapsed_s": held.elapsed_s}
        self._channel.publish("resumed", resumed)
        self._channel.publish("event", f"goes on from what round {held.round} has learned")
        return flower.array_of(held.model)


def _cast(model: ArrayRecord, dtypes: Mapping[str, str]) -> ArrayRecord:
    """Return the model in the dtypes that are given; FedAdam and QFedAvg make float64 of float32.

    Nodes would be sent twice the bytes, and what they answer would be no update to such a model.
    """
    if all(array.dtype == dtypes.get(name, array.dtype) for name, array in model.items()):
        return model
    return flower.array_of(
        {
            name: values.astype(dtypes.get(name, values.dtype), copy=False)
            for name, values in flower.views_of(model).items()
        }
    )


def summary(
    number: int,
    exchanges: list[Exchanged],
    train_metrics: MetricRecord | None,
    node_metrics: MetricRecord | None,
    server_metrics: MetricRecord | None,
    metric: str,
) -> dict[str, Any]:
    """Describe a round for the history, the page and the report."""
    training = next((e for e in exchanges if e.kind.startswith("train")), None)
    found = tested.figures(server_metrics or node_metrics or {})
    entry: dict[str, Any] = {
        "round": number,
        "metrics": found,
        "asked": training.asked if training else 0,
        "participants": len(training.nodes) if training else 0,
        "missing": {str(p): why for p, why in sorted(training.missing.items())} if training else {},
        "bounded": {str(p): why for e in exchanges for p, why in e.bounded.items()},
        "retried": [[p, why] for e in exchanges for p, why in e.retried],
        "reason": training.reason if training else "",
        "train_s": training.wall_s if training else 0.0,
        "limit_s": training.limit_s if training else 0.0,
        "bytes_up": sum(e.bytes_up for e in exchanges),
        "bytes_down": sum(e.bytes_down for e in exchanges),
        "encode_s": round(sum(e.encode_s for e in exchanges), 4),
        "nodes": training.nodes if training else [],
        "tests": [
            {**row, "metrics": tested.figures(row["metrics"])} for row in tested.of_nodes(exchanges)
        ],
        "wall_s": 0.0,
        "overhead_s": 0.0,
    }
    # Without rounds each update is an exchange by itself, with a median of its own.
    usual_norms = [e.usual_norm for e in exchanges if e.usual_norm is not None]
    if usual_norms:
        entry["usual_norm"] = max(usual_norms)
    scores = _scores(exchanges, metric or "accuracy")
    if scores:
        entry["scores"] = scores
    numbers = {name: value for name, value in found.items() if isinstance(value, float)}
    named = {
        "accuracy": next((value for name, value in numbers.items() if "acc" in name), None),
        "loss": next((value for name, value in numbers.items() if "loss" in name), None),
        "train_loss": next((v for k, v in dict(train_metrics or {}).items() if "loss" in k), None),
    }
    if metric:
        named[metric] = numbers.get(metric)
    return {**entry, **{name: value for name, value in named.items() if value is not None}}


def _scores(exchanges: list[Exchanged], metric: str) -> dict[str, float]:
    """Return each node's value on its own test samples by partition, where nodes tested."""
    return {
        str(node["partition"]): float(node["metrics"][metric])
        for exchange in exchanges
        if exchange.kind.startswith("evaluate")
        for node in exchange.nodes
        if isinstance(node["metrics"].get(metric), float)
    }
