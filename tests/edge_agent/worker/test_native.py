from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.residuals import Residuals
from edge_agent.worker.job import Job, JobAborted
from edge_agent.worker.native import NativeRunner
from edge_agent.worker.recent import RecentSplits
from fedbed import codec, tasks
from fedbed.data import dataset
from fedbed.data.dataset import Split
from fedbed.errors import DataError, ExperimentError
from fedbed.link import records
from fedbed.link.messages import AppRef, BlobRef, DataRef, Record, Timeline, WorkItem, unparse
from fedbed.tasks.schedule import fit_seed
from tests.edge_agent import work
from tests.edge_agent.peer import Peer

Weights = dict[str, "np.ndarray[Any, Any]"]


SOFTMAX = AppRef("task", "mnist_softmax")


class Node:
    """A worker's inside, in this process."""

    def __init__(self, folder: Path, own: Path | None = None, app: AppRef = SOFTMAX) -> None:
        self.folder = folder
        self.runner = NativeRunner(app, own)
        self.progress: list[float] = []

    def store(self, data: bytes) -> BlobRef:
        ref = Peer.blob_of(data)
        (self.folder / ref.sha256).write_bytes(data)
        return ref

    def do(self, item: WorkItem) -> tuple[dict[str, Any], Weights]:
        request = {
            "item": unparse(item),
            "blobs": {p.name: str(p) for p in self.folder.iterdir() if p.is_file()},
            "out": str(self.folder / "out"),
            "timeline": unparse(Timeline()),
        }
        residuals = Residuals(self.folder / "left")
        Job(request, self.progress.append, residuals, no_room).run(self.runner)
        meta, arrays = work.read(self.folder / "out")
        return meta, arrays.get("arrays", {})


def no_room() -> None:
    raise AssertionError("there is room")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def same(one: Weights, other: Weights) -> bool:
    return set(one) == set(other) and all(np.array_equal(one[n], other[n]) for n in one)


def test_training_twice_gives_the_same_bits(node: Node) -> None:
    meta, first = node.do(work.item(node.store))
    node.do(work.item(node.store, round=2))
    again, second = node.do(work.item(node.store))
    assert same(first, second)
    assert work.metrics(meta) == work.metrics(again)
    assert work.metrics(meta)["num-examples"] == 200
    assert work.metrics(meta)["samples"] == 200
    assert same(first, Node(node.folder).do(work.item(node.store))[1])


@pytest.mark.parametrize(
    "change", [{"round": 2}, {"partition": 1}, {"config": {"seed": 8}}, {"config": {"lr": 0.2}}]
)
def test_round_partition_seed_and_settings_matter(node: Node, change: dict[str, Any]) -> None:
    _, first = node.do(work.item(node.store))
    _, other = node.do(work.item(node.store, **change))
    assert not same(first, other)


def test_shared_and_shipped_samples_teach_the_same(node: Node) -> None:
    _, shared = node.do(work.item(node.store))
    data = DataRef("shipped", "synthetic-digits", node.store(work.shipped(200)), None)
    _, shipped = Node(node.folder).do(work.item(node.store, data=data))
    assert same(shared, shipped)


def test_virtual_nodes_on_one_worker_learn_as_on_workers_of_their_own(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    load = dataset.load_split

    def counted(name: str, part: str) -> Split:
        loads.append(name)
        return load(name, part)

    monkeypatch.setattr(dataset, "load_split", counted)

    def items() -> Iterator[WorkItem]:
        for partition in (0, 1, 2, 1, 0):
            samples = node.store(work.indices(100 + partition, start=500 * partition))
            data = DataRef("shared", "synthetic-digits", samples, None)
            yield work.item(node.store, partition=partition, data=data)

    alone = [Node(node.folder).do(item)[1] for item in items()]
    loads.clear()
    together = [node.do(item)[1] for item in items()]
    assert all(same(one, other) for one, other in zip(alone, together, strict=True))
    assert len(loads) == 2, "for the first, and to be kept once there is a second"


def test_memory_for_samples_is_bounded() -> None:
    def split(of_bytes: int) -> Split:
        return Split(np.zeros((of_bytes - 8, 1, 1), np.uint8), np.zeros(1, np.int64))

    recent = RecentSplits(1000)
    for name in "abc":
        recent.keep(name, split(300))
    assert recent.get("a") is not None
    recent.keep("d", split(300))
    assert [name for name in "abcd" if recent.get(name)] == ["a", "c", "d"], "b was used least"
    recent.keep("large", split(5000))
    assert [name for name in ("a", "c", "d", "large") if recent.get(name)] == ["large"]


def test_masks_are_learnt_with_the_task_s_arguments_and_the_optimiser_that_is_asked(
    tmp_path: Path,
) -> None:
    app = AppRef("task", "clouds_unet", run_config={"width": 4, "classes": 3, "loss": "ce"})
    node = Node(tmp_path, app=app)
    random = np.random.RandomState(0)
    masks = random.randint(0, 3, (6, 8, 8)).astype(np.uint8)
    samples = node.store(codec.encode({"x": np.repeat(masks[..., None] * 80, 3, 3), "y": masks}))
    weights = tasks.create(app.name, app.run_config).initial(1)
    config = {**work.CONFIG, "optimizer": "adamw", "betas": [0.8, 0.9], "clip": 1.0, "lr": 0.01}
    item = work.item(
        node.store,
        app=app,
        data=DataRef("shipped", "any", samples, samples),
        records=[
            Record("arrays", "arrays", blob=node.store(codec.encode(weights))),
            Record("config", "config", values=records.pack(config)),
        ],
    )
    meta, trained = node.do(item)
    assert work.metrics(meta)["num-examples"] == 6
    assert set(trained) == set(weights)
    other = tasks.create(app.name, app.run_config)
    other.load(weights)
    settings = tasks.FitSettings(
        6, 16, 0.01, seed=fit_seed(7, 0, 0), optimizer="adamw", betas=(0.8, 0.9), clip=1.0
    )
    other.fit(Split(np.repeat(masks[..., None] * 80, 3, 3), masks), settings, node.progress.append)
    assert same(trained, other.weights())
    meta, _ = node.do(replace(item, kind="evaluate"))
    found = work.metrics(meta)
    assert sum(found["confusion"]) == masks.size
    assert 0 <= found["mean_iou"] <= found["mean_dice"] <= 1


def test_a_node_s_own_samples(node: Node, tmp_path: Path) -> None:
    _, shared = node.do(work.item(node.store))
    whole = dataset.load("synthetic-digits")
    own = tmp_path / "own.npz"
    split, test = whole.train, whole.test
    np.savez(own, x=split.x[:200], y=split.y[:200], x_test=test.x[:50], y_test=test.y[:50])
    data = DataRef("node", "synthetic-digits")
    mine = Node(tmp_path, own)
    _, trained = mine.do(work.item(mine.store, data=data))
    assert same(shared, trained)
    meta, _ = mine.do(work.item(mine.store, kind="evaluate", data=data))
    assert work.metrics(meta)["num-examples"] == 50


def test_a_node_without_samples_of_its_own(node: Node) -> None:
    with pytest.raises(DataError, match="start the agent with --data"):
        node.do(work.item(node.store, data=DataRef("node", "any")))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((3, 28, 28), np.uint8)}, "holds no arrays 'x' and 'y'"),
        ({"x": np.zeros((3, 28, 28), np.uint8), "y": np.zeros(2, int)}, "one label for each"),
        ({"x": np.zeros((0, 28, 28), np.uint8), "y": np.zeros(0, int)}, "one label for each"),
        ({"x": np.zeros((3, 28, 28)), "y": np.zeros(3, int)}, "must hold uint8 images"),
        ({"x": np.zeros((3, 8, 8), np.uint8), "y": np.zeros((3, 8, 4), np.uint8)}, "as large as"),
        ({"x": np.zeros((3, 8, 8), np.uint8), "y": np.zeros((3, 8, 8), int)}, "or one mask for"),
        ({"x": np.zeros((3, 8, 8), np.uint8), "y": np.zeros(3)}, "one label for each, a whole"),
        ({"x": np.array([{}]), "y": np.zeros(1, int)}, "can't be read as an .npz file"),
    ],
)
def test_own_samples_that_will_not_do(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "own.npz", **arrays)
    node = Node(tmp_path, tmp_path / "own.npz")
    with pytest.raises(DataError, match=message):
        node.do(work.item(node.store, data=DataRef("node", "any")))


def load(node: Node, data: DataRef, part: str = "train") -> Split:
    """What the worker makes of a reference to its samples."""
    request = {
        "item": unparse(work.item(node.store, data=data)),
        "blobs": {p.name: str(p) for p in node.folder.iterdir() if p.is_file()},
        "out": str(node.folder / "out"),
        "timeline": unparse(Timeline()),
    }
    job = Job(request, node.progress.append, Residuals(node.folder / "left"), no_room)
    return node.runner._load(job, data, part)


def test_masks_travel_with_their_images_and_are_scaled_alike(node: Node) -> None:
    whole = dataset.load("synthetic-clouds", train_samples=6)
    chosen = np.array([4, 1], np.uint32)
    small = dataset.scaled(whole.train.take(chosen), 32)
    indices = node.store(codec.encode({"indices": chosen}))
    shared = load(node, DataRef("shared", "synthetic-clouds", indices, None, image_size=32))
    assert np.array_equal(shared.x, small.x)
    assert np.array_equal(shared.y, small.y)
    blob = node.store(codec.encode({"x": small.x, "y": small.y}, "exact", "zlib"))
    shipped = load(node, DataRef("shipped", "synthetic-clouds", blob, None, image_size=32))
    assert shipped.y.dtype == np.uint8
    assert np.array_equal(shipped.x, small.x)
    assert np.array_equal(shipped.y, small.y)


def test_a_node_s_own_masks(tmp_path: Path) -> None:
    x = np.random.RandomState(1).randint(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    y = np.random.RandomState(2).randint(0, 4, (3, 8, 8)).astype(np.uint8)
    np.savez(tmp_path / "own.npz", x=x, y=y)
    node = Node(tmp_path, tmp_path / "own.npz")
    mine = load(node, DataRef("node", "any"))
    assert mine.y.dtype == np.uint8
    assert np.array_equal(mine.y, y)
    assert load(node, DataRef("node", "any", image_size=4)).y.tolist() == y[:, ::2, ::2].tolist()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04"])
def test_own_samples_that_are_no_such_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "own.npz").write_bytes(content)
    node = Node(tmp_path, tmp_path / "own.npz")
    with pytest.raises(DataError, match=r"can't be read as an \.npz file"):
        node.do(work.item(node.store, data=DataRef("node", "any")))


def test_an_index_beyond_the_local_copy(node: Node) -> None:
    train = node.store(work.indices(10, start=11_995))
    data = DataRef("shared", "synthetic-digits", train, None)
    with pytest.raises(DataError, match=r"has 12000 train samples, .* asks for number 12004"):
        node.do(work.item(node.store, data=data))
    with pytest.raises(ExperimentError, match="gives this node no test samples"):
        node.do(work.item(node.store, data=data, kind="evaluate"))
    with pytest.raises(ExperimentError, match="without its data"):
        node.do(work.item(node.store, data=None))


def test_fedprox_keeps_the_update_closer(node: Node) -> None:
    item = work.item(node.store)
    assert item.records[0].blob is not None
    start = codec.decode((node.folder / item.records[0].blob.sha256).read_bytes())

    def distance(mu: float) -> float:
        _, trained = node.do(work.item(node.store, config={"proximal-mu": mu}))
        return float(sum(((trained[n] - start[n]) ** 2).sum() for n in start))

    free = distance(0.0)
    assert free == distance(0.0)
    assert distance(5.0) < distance(1.0) < free


def test_evaluation_changes_nothing_and_tells_samples_and_accuracy(node: Node) -> None:
    meta, arrays = node.do(work.item(node.store, kind="evaluate"))
    assert arrays == {}
    found = work.metrics(meta)
    assert found["num-examples"] == 100
    assert 0 <= found["accuracy"] <= 1
    assert found["loss"] > 0


def test_an_abort_ends_the_training(node: Node) -> None:
    def stop(_share: float) -> None:
        raise JobAborted

    item = work.item(node.store)
    blobs = {p.name: str(p) for p in node.folder.iterdir()}
    request = {"item": unparse(item), "blobs": blobs, "out": str(node.folder / "out")}
    with pytest.raises(JobAborted):
        Job({**request, "timeline": {}}, stop, Residuals(node.folder), no_room).run(node.runner)
    assert not (node.folder / "out").exists()


def test_a_data_set_that_is_not_on_the_node_may_be_sent_to_it(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path / "empty"))
    data = DataRef("shared", "mnist", node.store(work.indices(10)), None)
    with pytest.raises(DataError, match=r"lacks train-images.*`data\.delivery: shipped`$"):
        node.do(work.item(node.store, data=data))
