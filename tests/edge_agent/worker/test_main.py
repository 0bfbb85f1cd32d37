from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedbed import bundle, codec
from fedbed.link import records
from fedbed.link.messages import AppRef, BlobRef, DataRef, Record, WorkItem, unparse
from tests.edge_agent import work
from tests.edge_agent.peer import Peer

pytestmark = pytest.mark.e2e
APP = """
import os, sys
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()
print("the app prints as it is imported")

@app.train()
def train(message, context):
    print('{"op": "done", "size": 0, "sha256": ""}')
    os.write(1, b'{"op": "done", "size": 0, "sha256": ""}\\n')
    os.system("echo from a child")
    assert sys.stdin.read() == ""
    seen = context.state.setdefault("seen", MetricRecord({"n": 0}))
    seen["n"] += 1
    arrays = message.content["model"].to_numpy_ndarrays()
    metrics = MetricRecord({
        "calls": seen["n"],
        "partition": context.node_config["partition-id"],
        "partitions": context.node_config["num-partitions"],
        "factor": context.run_config["factor"],
        "nan": float("nan"),
        "lr": message.content["config"]["lr"],
    })
    factor = context.run_config["factor"]
    content = RecordDict({
        "model": ArrayRecord([factor * a for a in arrays]), "metrics": metrics,
    })
    return Message(content, reply_to=message)

@app.evaluate()
def evaluate(message, context):
    raise RuntimeError("the app is broken")
"""


class Protocol:
    """The worker as its daemon sees it: lines in, lines out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs").mkdir()
        command = [sys.executable, "-m", "edge_agent.worker", str(folder)]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )

    def store(self, data: bytes) -> BlobRef:
        ref = Peer.blob_of(data)
        (self.folder / "blobs" / ref.sha256).write_bytes(data)
        return ref

    def tell(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def do(self, item: WorkItem) -> dict[str, Any]:
        blobs = {p.name: str(p) for p in (self.folder / "blobs").iterdir()}
        out = str(self.folder / f"{item.id}.result")
        work_of = {"item": unparse(item), "blobs": blobs, "out": out, "timeline": {}}
        self.tell({"op": "work", **work_of})
        while True:
            answer = self.line()
            if answer["op"] != "progress":
                return answer

    def read(self, item: WorkItem) -> tuple[dict[str, Any], dict[str, Any]]:
        return work.read(self.folder / f"{item.id}.result")

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        assert self.process.wait(10) == 0
        assert self.process.stdout.read() == b""
        self.process.stdout.close()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Protocol]:
    protocol = Protocol(tmp_path)
    yield protocol
    if protocol.process.poll() is None:
        protocol.process.kill()
        protocol.process.wait()


def flower_item(worker: Protocol, item_id: str, code: str = APP, **changes: Any) -> WorkItem:
    source = worker.folder / "source"
    source.mkdir(exist_ok=True)
    (source / "client.py").write_text(code)
    model = codec.encode({"0": np.arange(6, dtype=np.float32).reshape(2, 3)})
    values: dict[str, Any] = {
        "app": AppRef("flower", "client:app", worker.store(bundle.pack(source)), {"factor": 3}),
        "data": None,
        "records": [
            Record("model", "arrays", blob=worker.store(model)),
            Record("config", "config", values=records.pack({"lr": 0.1})),
        ],
        "message": {
            "run_id": 5,
            "message_id": item_id,
            "dst_node_id": 1,
            "group_id": "1",
            "created_at": 1_700_000_000.0,
            "ttl": 43200.0,
            "message_type": changes.get("kind", "train"),
        },
    }
    return work.item(worker.store, item_id, **{**values, **changes})


def test_a_client_app_runs_unmodified_and_keeps_its_state(worker: Protocol) -> None:
    first, second = (flower_item(worker, f"i{n}", partition=4, partitions=9) for n in (1, 2))
    assert worker.do(first)["size"] > 0
    assert worker.do(second)["size"] > 0
    meta, arrays = worker.read(first)
    assert arrays["model"]["0"].tolist() == [[0, 3, 6], [9, 12, 15]]
    found = work.metrics(meta)
    assert np.isnan(found.pop("nan"))
    assert found == {"calls": 1, "partition": 4, "partitions": 9, "factor": 3, "lr": 0.1}
    assert work.metrics(worker.read(second)[0])["calls"] == 2
    worker.end()
    log = (worker.folder / "log").read_text()
    assert "the app prints as it is imported" in log
    assert "from a child" in log


def test_another_partition_of_the_run_is_another_context(worker: Protocol) -> None:
    worker.do(flower_item(worker, "i1"))
    other = flower_item(worker, "i2", partition=1)
    worker.do(other)
    found = work.metrics(worker.read(other)[0])
    assert (found["calls"], found["partition"]) == (1, 1)


def test_another_partition_of_a_task_is_other_data(worker: Protocol) -> None:
    first = work.item(worker.store, "i1")
    data = DataRef("shared", "synthetic-digits", worker.store(work.indices(50, start=300)), None)
    second = work.item(worker.store, "i2", partition=1, data=data)
    worker.do(first)
    worker.do(second)
    counts = [work.metrics(worker.read(i)[0])["num-examples"] for i in (first, second)]
    assert counts == [200, 50]


def test_what_an_app_raises_is_its_reply(worker: Protocol) -> None:
    answer = worker.do(flower_item(worker, "i1", kind="evaluate"))
    assert answer["op"] == "failed"
    assert "the app is broken" in answer["reason"]
    assert worker.do(flower_item(worker, "i2"))["op"] == "done"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_package", "ExperimentError: .*'no_such_package' is not installed here"),
        ("def broken(:", "SyntaxError"),
        ("app = None\ndel app", "ExperimentError: Unable to load attribute app"),
    ],
)
def test_an_app_that_can_not_be_loaded(worker: Protocol, code: str, reason: str) -> None:
    answer = worker.do(flower_item(worker, "i1", code))
    assert answer["op"] == "failed"
    assert re.match(reason, answer["reason"])


def test_a_bundle_that_is_missing_or_damaged(worker: Protocol) -> None:
    missing = flower_item(worker, "i1")
    missing.app.bundle = None
    assert "without its bundle" in worker.do(missing)["reason"]
    damaged = flower_item(worker, "i2")
    damaged.app.bundle = worker.store(b"no zip")
    assert worker.do(damaged)["reason"].startswith("PayloadError: the app's bundle is damaged")


def test_an_abort_sent_right_behind_the_work_is_heeded(worker: Protocol) -> None:
    item = work.long_item(worker.store, "i1")
    blobs = {p.name: str(p) for p in (worker.folder / "blobs").iterdir()}
    out = str(worker.folder / "out")
    request = {"op": "work", "item": unparse(item), "blobs": blobs, "out": out, "timeline": {}}
    assert worker.process.stdin is not None
    both = json.dumps(request).encode() + b'\n{"op": "abort"}\n'
    worker.process.stdin.write(both)
    worker.process.stdin.flush()
    answer = worker.line()
    assert answer == {"op": "failed", "reason": "stopped: its round had closed"}
    assert worker.do(work.item(worker.store, "i2"))["op"] == "done"


def test_it_ends_with_its_input_even_in_the_middle_of_training(worker: Protocol) -> None:
    item = work.long_item(worker.store, "i1")
    blobs = {p.name: str(p) for p in (worker.folder / "blobs").iterdir()}
    out = str(worker.folder / "out")
    worker.tell({"op": "work", "item": unparse(item), "blobs": blobs, "out": out, "timeline": {}})
    assert worker.line()["op"] == "progress"
    assert worker.process.stdin is not None
    worker.process.stdin.close()
    assert worker.process.wait(10) == 0
    assert not Path(out).exists()
