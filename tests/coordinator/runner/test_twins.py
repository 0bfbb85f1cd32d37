"""Kept twins: shared where nothing differs, trained anew where anything does or is damaged."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from coordinator.runner import twins as module
from coordinator.runner.twins import Twin, Twins, evened, key_of, obtain
from fedbed import installed, tasks
from fedbed.data import Dataset, Split
from fedbed.experiment import Experiment, loads, override
from fedbed.tasks.schedule import window
from tests.coordinator.runner.test_driver import Recorder

SEEN = [40, 40]
BASE = "{name: one, task: mnist_softmax, federation: {nodes: 2, rounds: 2}}"


def samples(shade: int = 0) -> Dataset:
    chance = np.random.default_rng(1)
    x = chance.integers(0, 200, (60, 28, 28), np.uint8) + np.uint8(shade)
    y = chance.integers(0, 10, 60)
    split = Split(x, y)
    return Dataset(
        "made-up", split.take(slice(0, 40)), split.take(slice(40, 60)), tuple("0123456789")
    )


def experiment(*settings: str) -> Experiment:
    return override(loads(BASE, "test"), list(settings))


def key(wanted: Experiment, seed: int = 1, shade: int = 0, seen: list[int] = SEEN) -> str:
    initial = tasks.create("mnist_softmax").initial(seed)
    return key_of(wanted, seed, initial, samples(shade), seen)


def train(folder: Path, run: str, *settings: str) -> tuple[Twin, list[str], dict[str, np.ndarray]]:
    trainer, channel = tasks.create("mnist_softmax"), Recorder()
    initial = trainer.initial(1)
    wanted = experiment(*settings)
    found = obtain(Twins(folder), run, wanted, 1, trainer, initial, samples(), SEEN, channel)
    return found, [str(said["kind"]) for said in channel.said], trainer.weights()


def test_a_run_that_differs_on_the_nodes_alone_gets_the_twin_that_is_there(tmp_path: Path) -> None:
    first, _, weights = train(tmp_path, "r1")
    again, said, loaded = train(tmp_path, "r2", "federation.nodes=5", "codec.up=int8")
    assert (first.run, again.run) == ("r1", "r1")
    assert again.history == first.history
    assert len(again.history) == 2
    assert said == ["phase", "twin", "twin", "event"]
    assert weights.keys() == loaded.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].any()


@pytest.mark.parametrize(
    "same",
    [
        "federation.nodes=7",
        "federation.strategy=FedMedian",
        "data.partition=shards",
        "codec.up=small",
        "optimizer.moments=average",
        "centralised.batch_size=32",
        "centralised.lr=0.05",
    ],
)
def test_what_a_twin_does_not_depend_on(same: str) -> None:
    assert key(experiment(same)) == key(experiment())


@pytest.mark.parametrize(
    "other",
    [
        lambda: key(experiment("optimizer.lr=0.06")),
        lambda: key(experiment("optimizer.schedule=cosine")),
        lambda: key(experiment("federation.batch_size=16")),
        lambda: key(experiment("centralised.batch_size=16")),
        lambda: key(experiment("centralised.lr=0.06")),
        lambda: key(experiment("federation.rounds=3")),
        lambda: key(experiment("federation.evaluate_every=2")),
        lambda: key(experiment(), seed=2),
        lambda: key(experiment(), shade=1),
        lambda: key(experiment(), seen=[40, 39]),
        lambda: key(experiment(), seen=[40]),
    ],
)
def test_what_it_does_depend_on(other: Callable[[], str]) -> None:
    assert other() != key(experiment())


def test_it_has_a_batch_size_and_a_rate_of_its_own(tmp_path: Path) -> None:
    own = ("centralised.batch_size=8", "centralised.lr=0.01")
    same = ("federation.batch_size=8", "optimizer.lr=0.01")
    first, _, weights = train(tmp_path, "r1", *own)
    # What the nodes do is nothing to it.
    again, _, _ = train(tmp_path, "r2", *same)
    assert again.run == "r1"
    _, _, alike = train(tmp_path / "another", "r3", *same)
    _, _, other = train(tmp_path, "r4")
    assert all(np.array_equal(weights[name], alike[name]) for name in weights)
    assert not all(np.array_equal(weights[name], other[name]) for name in weights)
    assert len(first.history) == 2


def test_it_is_tested_when_the_federated_model_is(tmp_path: Path) -> None:
    found, _, _ = train(tmp_path, "r1", "federation.evaluate_every=2")
    assert ["accuracy" in row for row in found.history] == [False, True]
    assert all("train_loss" in row for row in found.history)


def test_other_threads_versions_and_code_are_another_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(experiment())
    with monkeypatch.context() as changed:
        changed.setenv("OMP_NUM_THREADS", "7")
        assert key(experiment()) != before
    with monkeypatch.context() as changed:
        changed.setattr(installed, "version", lambda _package: "0")
        assert key(experiment()) != before
    with monkeypatch.context() as changed:
        changed.setattr(module, "_code", lambda: "0")
        assert key(experiment()) != before
    assert key(experiment()) == before


@pytest.mark.parametrize("keep", [0, 10, -1])
def test_a_damaged_twin_is_trained_anew(tmp_path: Path, keep: int) -> None:
    first, _, _ = train(tmp_path, "r1")
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:keep])
    again, _, _ = train(tmp_path, "r2")
    assert again.run == "r2"
    figures = [{k: v for k, v in row.items() if k != "wall_s"} for row in again.history]
    assert figures == [{k: v for k, v in row.items() if k != "wall_s"} for row in first.history]
    assert train(tmp_path, "r3")[0].run == "r2"


def test_those_not_asked_for_the_longest_go_first(tmp_path: Path) -> None:
    weights = {"w": np.zeros(1000, np.float32)}
    kept = Twins(tmp_path, 10_000)
    for age, name in ((30, "old"), (20, "used"), (10, "new")):
        Twins(tmp_path).keep(name, Twin(name, [], weights))
        past = (tmp_path / f"{name}.twin").stat().st_mtime - age
        os.utime(tmp_path / f"{name}.twin", (past, past))
    assert kept.recall("used") is not None
    kept.keep("another", Twin("another", [], weights))
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["another", "used"]
    kept.keep("huge", Twin("huge", [], {"w": np.zeros(10_000, np.float32)}))
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["another", "used"]


def test_where_nothing_can_be_kept_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for run in ("r1", "r2"):
        assert train(tmp_path / "file", run)[0].run == run


@pytest.mark.parametrize("sizes", [[252], [80, 84, 88], [10, 20, 30, 40, 50, 102], [1] * 5])
@pytest.mark.parametrize("epochs", [0.25, 0.3, 1, 2])
def test_parts_of_passes_that_nodes_round_apart_come_to_one_pace(
    sizes: list[int], epochs: float
) -> None:
    rounds = 20
    seen = [sum(window(epochs, size, r)[1] for size in sizes) for r in range(1, rounds + 1)]
    if min(sizes) > 1:
        alone = [window(epochs, sum(sizes), r)[1] for r in range(1, rounds + 1)]
        assert evened(seen, len(sizes)) == evened(alone, 1)
    assert sum(evened(seen, len(sizes))) == sum(seen)


def test_rounds_that_saw_unlike_numbers_of_samples_keep_them() -> None:
    assert evened([60, 61, 62, 61], 3) == [61, 61, 61, 61]
    assert evened([80, 40, 60, 64], 3) == [80, 40, 60, 64]
    assert evened([10, 10, 0], 2) == [10, 10, 0]
