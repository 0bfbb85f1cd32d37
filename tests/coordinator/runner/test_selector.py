"""Selections within the driver's rounds."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest
from flwr.app import ConfigRecord, Message
from flwr.serverapp.strategy import FedAvg

from coordinator.runner.channel import RunStopped
from coordinator.runner.checkpoint import Checkpoints
from coordinator.runner.driver import Driver
from coordinator.runner.exchanges import Exchanged, Participant
from coordinator.runner.grid import EdgeGrid
from coordinator.runner.records import Records
from coordinator.runner.selector import Selector, told
from fedbed import flower
from fedbed.errors import NodesMissing
from fedbed.experiment import Experiment, loads, strategies
from fedbed.selection import Choice
from tests.coordinator.runner.models import NODES, LocalGrid, bits, model
from tests.coordinator.runner.test_driver import Recorder


def experiment(selection: str, fraction: float = 0.5) -> Experiment:
    return loads(
        f"{{name: x, task: mnist_softmax, federation: {{nodes: {NODES}, rounds: 8, "
        f"fraction: {fraction}, selection: {selection}}}}}",
        "test",
    )


class SelectedGrid(LocalGrid):
    """Keeps a log of who answered, node 6 the slowest by far; `there` are the nodes that are."""

    def __init__(self, there: Iterable[int] = range(NODES), away: Iterable[int] = ()) -> None:
        super().__init__()
        self.offered: Any = None
        self.there = list(there)
        self.away = list(away)
        self.waited = False
        self.asked: list[list[int]] = []

    def available(self, everybody: bool = False) -> list[Participant]:
        self.waited = self.waited or everybody
        present = sorted(self.there + (self.away if everybody else []))
        return [
            Participant(p, f"pi-{p}", (), (), {}, {}, labels={"kind": "odd" if p % 2 else "even"})
            for p in present
        ]

    def get_node_ids(self) -> list[int]:
        return [p + 1 for p in (self.there if self.offered is None else self.offered)]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        replies = super().send_and_receive(messages)
        if not replies:  # nothing is tested on nodes
            return []
        partitions = [reply.metadata.src_node_id - 1 for reply in replies]
        self.asked.append(partitions)
        nodes = [
            {
                "partition": p,
                "metrics": {"num-examples": 10 + p, "train_loss": 1.0 / (p + 1)},
                "upload_s": 0.0,
                "timeline": {"work_s": 1.0 + 100 * (p == NODES - 1)},
            }
            for p in partitions
        ]
        self.log.append(
            Exchanged("train", len(nodes), "all in", 60.0, {}, {}, [], 1.0, 0, 1, nodes, [], 0, 0)
        )
        return replies


def drive(
    spec: Experiment,
    folder: Path,
    channel: Recorder,
    grid: SelectedGrid,
    resume: bool = False,
) -> tuple[Driver, dict[str, bytes]]:
    driver = Driver(cast(EdgeGrid, grid), channel, Checkpoints(folder))
    sizes = {p: 10 + p for p in range(NODES)}
    driver.selector = Selector.of(spec, cast(EdgeGrid, grid), channel, Records(), sizes, seed=3)
    if driver.selector is not None:
        driver.selector.check()
    if resume:
        driver.resumed = Checkpoints(folder).latest()
        assert driver.resumed is not None
    strategy = cast(FedAvg, strategies.build("FedAvg", {}, strategies.defaults(spec)))
    result = driver.start(
        strategy, grid, flower.array_of(model()), 8, train_config=ConfigRecord({"lr": 0.1})
    )
    return driver, bits(result.arrays)


@pytest.mark.parametrize("name", ["random", "fedcs", "oort", "tiers"])
def test_a_resumed_run_asks_the_same_nodes(tmp_path: Path, name: str) -> None:
    spec = experiment(name)
    grid = SelectedGrid()
    straight, model_of_it = drive(spec, tmp_path / "straight", Recorder(), grid)
    broken = SelectedGrid()
    with pytest.raises(RunStopped):
        drive(spec, tmp_path / "broken", Recorder(stop_after=4), broken)
    random.seed(99)
    after = SelectedGrid()
    resumed, other = drive(spec, tmp_path / "broken", Recorder(), after, resume=True)
    assert broken.asked + after.asked == grid.asked
    assert len({tuple(asked) for asked in grid.asked}) > 1
    assert [e["selection"] for e in resumed.history] == [e["selection"] for e in straight.history]
    assert other == model_of_it
    for asked, entry in zip(grid.asked, straight.history, strict=True):
        assert sorted(p for _, group in entry["selection"]["because"] for p in group) == asked


def test_the_strategy_chooses_where_nothing_is_said(tmp_path: Path) -> None:
    spec = loads("{name: x, task: mnist_softmax, federation: {fraction: 0.5}}", "test")
    grid = SelectedGrid()
    driver, _ = drive(spec, tmp_path, Recorder(), grid)
    assert {len(asked) for asked in grid.asked} == {3}
    assert all("selection" not in entry for entry in driver.history)


def test_watchers_hear_whom_a_round_asks_unless_it_is_all(tmp_path: Path) -> None:
    channel = Recorder()
    label = "{name: label, args: {target: {kind: odd}}}"
    drive(experiment(label, 1.0), tmp_path / "some", channel, SelectedGrid())
    events = [m["data"] for m in channel.said if m.get("kind") == "event"]
    assert events[0] == "round 1: label asks 3 of 6 nodes: pi-1, pi-3, pi-5 (kind=odd)"
    assert len(events) == 8
    channel = Recorder()
    drive(experiment("all", 1.0), tmp_path / "all", channel, SelectedGrid())
    assert not [m for m in channel.said if m.get("kind") == "event"]


def test_a_selection_that_chooses_nobody_fails_before_any_training(tmp_path: Path) -> None:
    grid = SelectedGrid()
    with pytest.raises(NodesMissing) as caught:
        drive(experiment("{name: label, args: {target: {kind: x}}}"), tmp_path, Recorder(), grid)
    wanted = "selection 'label' chooses nobody: no node here carries kind=x (pi-0: kind=even; "
    assert str(caught.value).startswith(wanted)
    assert grid.asked == []


def test_those_it_would_choose_are_waited_for(tmp_path: Path) -> None:
    label = experiment("{name: label, args: {target: {kind: odd}}}", 1.0)
    grid = SelectedGrid(there=[0, 2], away=[1])
    drive(label, tmp_path, Recorder(), grid)
    assert grid.asked == [[1]] * 8
    quick = SelectedGrid(there=[0, 1])
    drive(label, tmp_path / "quick", Recorder(), quick)
    assert not quick.waited


def test_many_are_counted_and_few_are_named() -> None:
    names = {p: f"pi-{p}" for p in range(100)}
    choice = Choice.of(("fast", list(range(90))), ("new", [97, 98]))
    assert told(choice, names) == "90 (fast); pi-97, pi-98 (new)"
