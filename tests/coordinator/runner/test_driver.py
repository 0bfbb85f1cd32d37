"""The driver against flwr's own loop: same strategy, same clients, same Result."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp.strategy import (
    Bulyan,
    FedAdam,
    FedAvg,
    FedMedian,
    FedTrimmedAvg,
    Krum,
    MultiKrum,
    Result,
    Strategy,
)

from coordinator.runner.channel import Channel, RunStopped
from coordinator.runner.checkpoint import Checkpoints
from coordinator.runner.driver import Driver
from coordinator.runner.grid import EdgeGrid
from coordinator.runner.replies import SpooledArray
from fedbed import codec, flower
from fedbed.errors import RunFailed
from tests.coordinator.runner.models import LocalGrid, bits, model

ROUNDS = 4


class Recorder(Channel):
    """A channel whose pipe is a list."""

    def __init__(self, stop_after: int = 0) -> None:
        self.said: list[dict[str, Any]] = []
        self._stop_after = stop_after

    def tell(self, op: str, **fields: Any) -> None:
        self.said.append(dict(fields, op=op))

    def check_stopped(self) -> None:
        done = sum(m.get("kind") == "round" for m in self.said)
        if self._stop_after and done >= self._stop_after:
            raise RunStopped("stop")


def evaluate(number: int, arrays: ArrayRecord) -> MetricRecord:
    total = float(sum(v.sum() for v in flower.ndarrays_of(arrays).values()))
    return MetricRecord({"accuracy": total, "round": number})


class SpooledGrid(LocalGrid):
    """Replies decode lazily, as those of nodes do; node 2 turns its update round."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        sent = {message.metadata.dst_node_id: message for message in messages}
        return [
            self._spooled(sent[reply.metadata.src_node_id], reply)
            for reply in super().send_and_receive(sent.values())
        ]

    def _spooled(self, sent: Message, reply: Message) -> Message:
        arrays, metrics, config = flower.split_records(reply.content)
        lazy = {}
        for name, record in arrays.items():
            values = flower.ndarrays_of(record)
            if reply.metadata.src_node_id == 2:
                was = flower.ndarrays_of(sent.content.array_records[name])
                values = {key: was[key] - 5 * (values[key] - was[key]) for key in values}
            path = self._folder / f"{self.exchanges}.{reply.metadata.src_node_id}"
            path.write_bytes(codec.encode(values, "exact"))
            payload = codec.Payload.open(path)
            lazy[name] = ArrayRecord()
            for spec in payload.specs:
                lazy[name][spec.name] = SpooledArray(payload, spec)
        reply.content = flower.join_records(lazy, metrics, config)
        return reply


def drive(
    strategy: Strategy,
    folder: Path,
    channel: Recorder,
    resume: bool = False,
    grid: LocalGrid | None = None,
) -> tuple[Result, Driver]:
    grid = LocalGrid() if grid is None else grid
    driver = Driver(cast(EdgeGrid, grid), channel, Checkpoints(folder))
    if resume:
        driver.resumed = Checkpoints(folder).latest()
        assert driver.resumed is not None
    result = driver.start(
        strategy,
        grid,
        flower.array_of(model()),
        num_rounds=ROUNDS,
        train_config=ConfigRecord({"lr": 0.1}),
        evaluate_fn=evaluate,
    )
    return result, driver


def seed() -> None:
    random.seed(3)
    np.random.seed(3)


def assert_same(one: Result, other: Result) -> None:
    assert bits(one.arrays) == bits(other.arrays)
    for part in ("train_metrics_clientapp", "evaluate_metrics_clientapp",
                 "evaluate_metrics_serverapp"):  # fmt: skip
        mine, theirs = getattr(one, part), getattr(other, part)
        assert {n: dict(m) for n, m in mine.items()} == {n: dict(m) for n, m in theirs.items()}
        assert mine


@pytest.mark.parametrize("fraction", [1.0, 0.5])
def test_same_result_as_flwr(tmp_path: Path, fraction: float) -> None:
    seed()
    expected = FedAvg(fraction_train=fraction, fraction_evaluate=fraction).start(
        LocalGrid(),
        flower.array_of(model()),
        num_rounds=ROUNDS,
        train_config=ConfigRecord({"lr": 0.1}),
        evaluate_fn=evaluate,
    )
    seed()
    strategy = FedAvg(fraction_train=fraction, fraction_evaluate=fraction)
    result, driver = drive(strategy, tmp_path, Recorder())
    assert_same(result, expected)
    assert [entry["round"] for entry in driver.history] == [1, 2, 3, 4]
    assert driver.initial == dict(evaluate(0, flower.array_of(model())))


def test_a_resumed_run_has_the_same_result(tmp_path: Path) -> None:
    def strategy() -> Strategy:
        return FedAdam(fraction_train=0.5, min_available_nodes=2, eta=0.1)

    seed()
    straight, _ = drive(strategy(), tmp_path / "straight", Recorder())
    seed()
    with pytest.raises(RunStopped):
        drive(strategy(), tmp_path / "broken", Recorder(stop_after=2))
    random.seed(99)
    channel = Recorder()
    resumed, driver = drive(strategy(), tmp_path / "broken", channel, resume=True)
    assert_same(resumed, straight)
    assert [entry["round"] for entry in driver.history] == [1, 2, 3, 4]
    assert [m["data"]["round"] for m in channel.said if m.get("kind") == "round"] == [3, 4]
    told = channel.said[0]
    assert (told["kind"], [e["round"] for e in told["data"]["history"]]) == ("resumed", [1, 2])
    assert told["data"]["elapsed_s"] > 0
    # Times that earlier processes measured are not lost.
    assert all(entry["wall_s"] > 0 for entry in driver.history)
    assert driver.elapsed_s > told["data"]["elapsed_s"] == driver.elapsed_before_s
    held = Checkpoints(tmp_path / "broken").latest()
    assert held is not None
    assert driver.started_at == held.started_at < time.time()


def test_rounds_end_when_they_will_do_also_after_a_restart(tmp_path: Path) -> None:
    def until_two(driver: Driver) -> Result:
        driver.is_enough = lambda history: len(history) >= 2
        grid = driver._grid
        return driver.start(FedAvg(), grid, flower.array_of(model()), num_rounds=ROUNDS)

    driver = Driver(cast(EdgeGrid, LocalGrid()), Recorder(), Checkpoints(tmp_path))
    first = until_two(driver)
    assert [entry["round"] for entry in driver.history] == [1, 2]
    assert driver.planned == ROUNDS
    channel = Recorder()
    again = Driver(cast(EdgeGrid, LocalGrid()), channel, Checkpoints(tmp_path))
    again.resumed = Checkpoints(tmp_path).latest()
    assert bits(until_two(again).arrays) == bits(first.arrays)
    assert not [m for m in channel.said if m.get("kind") == "round"]


ROBUST: dict[str, Callable[[], Strategy]] = {
    "median": FedMedian,
    "trimmed": lambda: FedTrimmedAvg(beta=0.2),
    "krum": lambda: Krum(num_malicious_nodes=1),
    "multi-krum": lambda: MultiKrum(num_malicious_nodes=1, num_nodes_to_select=3),
    "bulyan": lambda: Bulyan(num_malicious_nodes=0),
}


@pytest.mark.parametrize("name", ROBUST)
def test_robust_strategies_do_as_flwr_s_own_loop_with_an_adversary_and_resumed(
    tmp_path: Path, name: str
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    arrays, config = flower.array_of(model()), ConfigRecord({"lr": 0.1})
    expected = ROBUST[name]().start(
        SpooledGrid(spool), arrays, ROUNDS, train_config=config, evaluate_fn=evaluate
    )
    straight, driver = drive(
        ROBUST[name](), tmp_path / "straight", Recorder(), grid=SpooledGrid(spool)
    )
    assert_same(straight, expected)
    assert not any(entry["model_kept"] for entry in driver.history)
    with pytest.raises(RunStopped):
        drive(ROBUST[name](), tmp_path / "broken", Recorder(2), grid=SpooledGrid(spool))
    resumed, _ = drive(
        ROBUST[name](), tmp_path / "broken", Recorder(), resume=True, grid=SpooledGrid(spool)
    )
    assert_same(resumed, straight)


def test_a_strategy_that_makes_no_new_model_is_told_of(tmp_path: Path) -> None:
    channel = Recorder()
    _, driver = drive(Bulyan(num_malicious_nodes=2), tmp_path, channel)
    assert [entry["model_kept"] for entry in driver.history] == [True] * ROUNDS
    events = [m["data"] for m in channel.said if m.get("kind") == "event"]
    assert events[0].startswith("round 1: Bulyan made no new model of")
    _, learning = drive(FedAvg(), tmp_path / "other", Recorder())
    assert not any(entry["model_kept"] for entry in learning.history)


@pytest.mark.parametrize(("dtypes", "made"), [({}, "float64"), ({"a": "float32"}, "float32")])
def test_a_task_s_model_keeps_its_dtypes_whatever_a_strategy_computes_in(
    tmp_path: Path, dtypes: dict[str, str], made: str
) -> None:
    grid = LocalGrid()
    driver = Driver(cast(EdgeGrid, grid), Recorder(), Checkpoints(tmp_path))
    driver.dtypes = dtypes
    result = driver.start(FedAdam(), grid, flower.array_of(model()), num_rounds=2)
    assert result.arrays["a"].dtype == made
    assert result.arrays["a"].numpy().dtype == made


def test_watchers_hear_of_each_round(tmp_path: Path) -> None:
    channel = Recorder()
    drive(FedAvg(), tmp_path, channel)
    kinds = [m["kind"] for m in channel.said]
    assert kinds == ["phase", "round"] * ROUNDS
    assert channel.said[1]["data"]["accuracy"] == pytest.approx(
        channel.said[1]["data"]["metrics"]["accuracy"]
    )


def test_a_foreign_grid_is_refused(tmp_path: Path) -> None:
    driver = Driver(cast(EdgeGrid, LocalGrid()), Recorder(), Checkpoints(tmp_path))
    with pytest.raises(RunFailed, match="another Grid"):
        driver.start(FedAvg(), LocalGrid(), flower.array_of(model()))
