"""Exchanges of one node each, over a channel whose other end is the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from coordinator.runner.channel import Inbox, RunStopped
from coordinator.runner.items import ItemMaker
from coordinator.runner.policy import Policy
from coordinator.runner.stream import Ended, StreamGrid, There
from coordinator.store.blobs import BlobStore
from fedbed import codec, flower
from fedbed.link import envelope
from fedbed.link.messages import AppRef
from tests.coordinator.runner.models import bits, model
from tests.coordinator.runner.test_driver import Recorder

NODE = {
    "compressors": ["zlib"],
    "profile": {"codecs": list(codec.PROFILES)},
    "agent": {},
    "labels": {},
}


class Pipe(Recorder):
    """A channel that hears what the test puts into it."""

    def __init__(self) -> None:
        super().__init__()
        self._windows: dict[str, Inbox] = {}

    def open_window(self, window: str, inbox: Inbox | None = None) -> Inbox:
        assert inbox is not None
        self._windows[window] = inbox
        return inbox

    def hear(self, window: str, event: str, **fields: Any) -> None:
        self._windows[window].put({"event": event, "window": window, **fields})

    def there(self, *partitions: int) -> None:
        nodes = [{"partition": p, "name": f"n{p}", "node": f"n{p}", **NODE} for p in partitions]
        self.hear("run.nodes", "nodes", nodes=nodes)

    def close(self, window: str, reason: str, failed: bool = False, why: str = "") -> None:
        partition = int(window[-1])
        missing = {str(partition): why} if why else {}
        known = {"quorum_met": True, "reason": reason, "missing": missing, "limit_s": 60.0}
        self.hear(window, "closed", failed=[partition] if failed else [], **known)


@pytest.fixture
def pipe() -> Pipe:
    return Pipe()


@pytest.fixture
def grid(pipe: Pipe, tmp_path: Path) -> StreamGrid:
    flower.become(7, flower.SERVER_NODE_ID)
    policy, blobs = Policy(), BlobStore(tmp_path / "blobs")
    grid = StreamGrid(pipe, 7, policy, ItemMaker("run", 4, policy, AppRef("task", "t"), blobs))
    grid.lazy = True
    grid.watch()
    pipe.there(0, 1, 2, 3)
    assert grid.next() == There((0, 1, 2, 3))
    return grid


def post(grid: StreamGrid, *partitions: int, version: int = 0) -> None:
    content = RecordDict({"arrays": flower.array_of(model()), "config": ConfigRecord()})
    for partition in partitions:
        message = Message(content, partition + 1, "train", group_id="1")
        grid.post(message, partition + 10, version, timeout=30.0)


def ended(grid: StreamGrid) -> Ended:
    event = grid.next()
    assert isinstance(event, Ended)
    return event


def test_whoever_answers_first_is_heard_first(grid: StreamGrid, pipe: Pipe, tmp_path: Path) -> None:
    post(grid, 0, 1)
    sent = [said for said in pipe.said if said["op"] == "send"]
    assert [(said["window"], said["quorum"], said["deadline_s"]) for said in sent] == [
        ("run.000010", 0, 30.0),
        ("run.000011", 0, 30.0),
    ]
    path = tmp_path / "result"
    listed = [{"name": "arrays", "kind": "arrays", "payload": "arrays"}]
    meta = {"records": listed, "timeline": {"work_s": 1.5, "bytes_down": 7}}
    size, _ = envelope.write(path, meta, [("arrays", codec.encode(model(), "exact"))])
    item = {"item": "run.000011.1", "file": str(path), "bytes": size, "upload_s": 0.1}
    pipe.hear("run.000011", "reply", **item)
    pipe.close("run.000011", "all in")
    first = ended(grid)
    assert (first.partition, first.why, first.failed) == (1, "", False)
    (record,) = first.answer.content.array_records.values()
    assert bits(record) == bits(flower.array_of(model()))
    assert first.exchanged.bytes_down == 7
    assert grid.take_files(grid.models_out()) == [path]


@pytest.mark.parametrize(
    ("reason", "why", "is_failed", "counts"),
    [
        ("nobody is left to wait for", "out of memory", True, True),
        ("the others were lost", "the node was lost", False, False),
        ("nobody is left to wait for", "its node was removed", False, False),
        ("deadline", "too late", False, True),
    ],
)
def test_who_fails_is_told_from_who_is_lost(
    grid: StreamGrid, pipe: Pipe, reason: str, why: str, is_failed: bool, counts: bool
) -> None:
    post(grid, 0)
    pipe.close("run.000010", reason, is_failed, why)
    end = ended(grid)
    assert (end.partition, end.why, end.failed) == (0, why, counts)
    assert end.answer.has_error()


def test_models_that_are_out_are_known_until_all_is_withdrawn(grid: StreamGrid, pipe: Pipe) -> None:
    post(grid, 0, 1)
    assert len(grid.models_out()) == 1
    pipe.close("run.000010", "the others were lost", why="the node was lost")
    ended(grid)
    assert len(grid.models_out()) == 1
    grid.withdraw()
    assert pipe.said[-1] == {"op": "withdraw", "windows": ["run.000011"]}
    assert grid.models_out() == set()


def test_a_stop_ends_the_wait(grid: StreamGrid, pipe: Pipe) -> None:
    post(grid, 0)
    pipe.hear("run.000010", "stop")
    with pytest.raises(RunStopped):
        grid.next()
