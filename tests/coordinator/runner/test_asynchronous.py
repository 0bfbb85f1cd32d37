"""The asynchronous driver over nodes that take the time that a test gives them; no sockets."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message
from flwr.serverapp.strategy import FedAvg

from coordinator.runner.asynchronous import AsynchronousDriver
from coordinator.runner.channel import RunStopped
from coordinator.runner.checkpoint import Checkpoints
from coordinator.runner.exchanges import Exchanged
from coordinator.runner.stream import Ended, StreamGrid, There
from fedbed import flower
from fedbed.errors import RunFailed
from fedbed.strategies.asynchronous import Asynchronous
from fedbed.strategies.fedasync import FedAsync
from fedbed.strategies.fedbuff import FedBuff
from tests.coordinator.runner.models import LocalGrid, answer, bits, model
from tests.coordinator.runner.test_driver import Recorder, evaluate

Outcome = Callable[[int], str]
"""What becomes of a node's n-th exchange: '', 'failed' or 'lost'."""


@dataclass
class Posted:
    """What the driver sent."""

    partition: int
    number: int
    version: int
    model: dict[str, bytes]
    config: dict[str, Any]


@dataclass
class Clockwork(LocalGrid):
    """Nodes whose work takes `durations` seconds of a clock that runs by itself."""

    durations: list[float]
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    attempts: int = 2

    def __post_init__(self) -> None:
        super().__init__()
        self.partitions = len(self.durations)
        self.participants = {p: SimpleNamespace(name=f"n{p}") for p in range(self.partitions)}
        self.posted: list[Posted] = []
        self.withdrawn = self.watched = 0
        self._now = 0.0
        self._events: list[tuple[float, int, Ended | There]] = []
        self._numbers = itertools.count()
        self._times = [0] * self.partitions

    def get_node_ids(self) -> list[int]:
        return [p + 1 for p in range(self.partitions)]

    def watch(self) -> None:
        self.watched += 1
        self._push(0.0, There(tuple(range(self.partitions))))

    def post(self, message: Message, number: int, version: int, timeout: float) -> None:
        partition = message.metadata.dst_node_id - 1
        flower.assign_message_id(message, f"run.{number:06d}.{partition}")
        (record,) = message.content.array_records.values()
        (config,) = message.content.config_records.values()
        self.posted.append(Posted(partition, number, version, bits(record), dict(config)))
        self._times[partition] += 1
        decide = self.outcomes.get(partition)
        what = decide(self._times[partition]) if decide else ""
        reply = flower.error_reply(message, what) if what else answer(message, version + 1)
        described = {"partition": partition, "name": f"n{partition}", "metrics": {"samples": 10}}
        nodes = [] if what else [described]
        exchanged = Exchanged("train", 1, "", 60.0, {}, {}, [], 1.0, 0.0, 0.5, nodes, [], 1, 2)
        ended = Ended(partition, reply, exchanged, what, failed=what == "failed")
        self._push(self.durations[partition], ended)

    def next(self) -> Ended | There:
        self._now, _, event = heapq.heappop(self._events)
        return event

    def withdraw(self) -> None:
        self.withdrawn += 1

    def models_out(self) -> set[str]:
        return set()

    def take_files(self, needed: Collection[str] = ()) -> list[Path]:
        return []

    def _push(self, after_s: float, event: Ended | There) -> None:
        heapq.heappush(self._events, (self._now + after_s, next(self._numbers), event))


def drive(
    strategy: Any,
    grid: Clockwork,
    folder: Path,
    versions: int,
    channel: Recorder | None = None,
    resume: bool = False,
) -> AsynchronousDriver:
    channel = channel or Recorder()
    checkpoints = Checkpoints(folder)
    driver = AsynchronousDriver(cast(StreamGrid, grid), channel, checkpoints)
    if resume:
        driver.resumed = checkpoints.latest()
        assert driver.resumed is not None
    driver.start(
        strategy,
        grid,
        flower.array_of(model()),
        num_rounds=versions,
        train_config=ConfigRecord({"lr": 0.1, "seed": 7}),
        evaluate_fn=evaluate,
    )
    return driver


def order(driver: AsynchronousDriver) -> list[list[tuple[int, int]]]:
    """Partition and staleness of each update, by version, in order of arrival."""
    return [[(n["partition"], n["staleness"]) for n in e["nodes"]] for e in driver.history]


def test_fast_nodes_do_not_wait_for_a_slow_one(tmp_path: Path) -> None:
    channel = Recorder()
    grid = Clockwork([1.0, 1.1, 5.0])
    driver = drive(FedBuff(buffer_size=2), grid, tmp_path, 6, channel)
    assert order(driver)[:4] == [[(0, 0), (1, 0)], [(0, 1), (1, 0)], [(0, 1), (1, 0)]] + [
        [(0, 1), (1, 0)]
    ]
    # The slow one's update comes after five seconds, four versions old.
    assert (2, 4) in order(driver)[4]
    assert [entry["round"] for entry in driver.history] == [1, 2, 3, 4, 5, 6]
    assert driver.history[4]["staleness"] == np.mean([s for _, s in order(driver)[4]])
    assert driver.history[0]["bytes_down"] == 4
    assert [m["kind"] for m in channel.said] == ["phase", "round"] * 6
    assert grid.withdrawn == 1
    assert driver.model is not None


def test_a_node_that_trains_twice_on_one_version_does_so_in_another_order(tmp_path: Path) -> None:
    grid = Clockwork([1.0, 10.0, 10.0])
    drive(FedBuff(buffer_size=4), grid, tmp_path, 1)
    mine = [posted for posted in grid.posted if posted.partition == 0]
    assert [posted.version for posted in mine] == [0, 0, 0, 0]
    assert len({posted.config["seed"] for posted in mine}) == 4
    assert len({posted.number for posted in grid.posted}) == len(grid.posted)
    assert {posted.config["server-round"] for posted in grid.posted} == {1}


def test_no_more_train_at_a_time_than_may(tmp_path: Path) -> None:
    grid = Clockwork([1.0] * 4)
    driver = drive(FedAsync(concurrency=2), grid, tmp_path, 8)
    assert len(grid.posted) == 8 + 2 - 1
    assert sorted(p for entry in order(driver) for p, _ in entry) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_what_is_too_old_is_dropped(tmp_path: Path) -> None:
    driver = drive(FedAsync(max_staleness=2), Clockwork([1.0, 4.5]), tmp_path, 6)
    assert order(driver) == [[(0, 0)]] * 6
    (dropped,) = [entry["missing"] for entry in driver.history if entry["missing"]]
    assert dropped == {"1": "its update was 4 versions old, 2 at most count"}


def test_a_node_that_always_fails_costs_less_and_less(tmp_path: Path) -> None:
    grid = Clockwork([1.0, 0.1], {1: lambda _n: "failed"})
    driver = drive(FedAsync(), grid, tmp_path, 20)
    assert [posted.version for posted in grid.posted if posted.partition == 1] == [0, 1, 3, 7, 15]
    assert driver.history[0]["missing"] == {"1": "failed"}
    assert driver.history[0]["asked"] == 2


def test_if_all_fail_the_run_does_after_some_attempts(tmp_path: Path) -> None:
    grid = Clockwork([1.0, 1.0], dict.fromkeys((0, 1), lambda _n: "failed"), attempts=3)
    with pytest.raises(RunFailed, match="round 1: every node failed: 2 times: failed"):
        drive(FedAsync(), grid, tmp_path, 1)
    assert len(grid.posted) == 2 * 3
    once = Clockwork([1.0, 1.0], dict.fromkeys((0, 1), lambda n: "failed" if n < 3 else ""))
    assert drive(FedAsync(), replaced(once, attempts=3), tmp_path, 2).history[-1]["round"] == 2


def replaced(grid: Clockwork, attempts: int) -> Clockwork:
    grid.attempts = attempts
    return grid


def test_a_node_that_is_lost_is_asked_again_once_it_is_there(tmp_path: Path) -> None:
    grid = Clockwork([1.0, 1.0], {1: lambda n: "lost" if n == 1 else ""})
    driver = drive(FedBuff(buffer_size=1), grid, tmp_path, 6)
    assert grid.watched == 2
    assert driver.history[1]["missing"] == {"1": "lost"}
    assert 1 in {p for entry in order(driver) for p, _ in entry}


@pytest.mark.parametrize("stop_after", [1, 3])
def test_what_nodes_had_in_hand_is_asked_in_the_same_words_after_a_restart(
    tmp_path: Path, stop_after: int
) -> None:
    def strategy() -> Asynchronous:
        return FedBuff(buffer_size=2)

    before = Clockwork([1.0, 1.1, 5.0])
    with pytest.raises(RunStopped):
        drive(strategy(), before, tmp_path, 6, Recorder(stop_after))
    straight = Clockwork([1.0, 1.1, 5.0])
    drive(strategy(), straight, tmp_path / "straight", 6)
    after = Clockwork([1.0, 1.1, 5.0])
    driver = drive(strategy(), after, tmp_path, 6, resume=True)
    out = {posted.partition: posted for posted in before.posted}
    assert {posted.partition: posted for posted in after.posted[:3]} == out
    # The slow node still trains on the first model of all.
    assert out[2].version == 0
    assert [entry["round"] for entry in driver.history] == [1, 2, 3, 4, 5, 6]
    # Each is asked on from where it was, so no question gets another's number.
    numbers = {posted.number for posted in after.posted[3:]}
    assert not numbers & {posted.number for posted in before.posted}
    assert {p.number for p in after.posted} <= {p.number for p in straight.posted} | numbers


def test_it_is_no_driver_for_rounds(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="only an asynchronous strategy"):
        drive(FedAvg(), Clockwork([1.0]), tmp_path, 1)
