"""Work items of the numpy task, as a coordinator would put them out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fedbed import codec, tasks
from fedbed.data import dataset
from fedbed.link import records
from fedbed.link.envelope import Envelope
from fedbed.link.messages import AppRef, BlobRef, DataRef, Record, WorkItem

Store = Callable[[bytes], BlobRef]
CONFIG = {
    "local-epochs": 1,
    "batch-size": 16,
    "lr": 0.1,
    "momentum": 0.5,
    "weight-decay": 0.0,
    "seed": 7,
}


def indices(count: int, start: int = 0) -> bytes:
    return codec.encode({"indices": np.arange(start, start + count, dtype=np.uint32)})


def shipped(count: int, part: str = "train") -> bytes:
    whole = dataset.load("synthetic-digits")
    split = whole.train if part == "train" else whole.test
    return codec.encode({"x": split.x[:count], "y": split.y[:count]})


def item(store: Store, item_id: str = "r-1.000001.0", **changes: Any) -> WorkItem:
    """A training item of 200 samples; `config` adds to the settings."""
    config = {**CONFIG, **changes.pop("config", {})}
    weights = codec.encode(tasks.create("mnist_softmax").initial(1))
    values: dict[str, Any] = {
        "id": item_id,
        "run": "r-1",
        "round": 1,
        "kind": "train",
        "app": AppRef("task", "mnist_softmax"),
        "partition": 0,
        "partitions": 2,
        "records": [
            Record("arrays", "arrays", blob=store(weights)),
            Record("config", "config", values=records.pack(config)),
        ],
        "codec": "exact",
        "compressor": "zlib",
        "max_bytes": 1 << 24,
    }
    if "data" not in changes:
        test = store(indices(100))
        values["data"] = DataRef("shared", "synthetic-digits", store(indices(200)), test)
    return WorkItem(**{**values, **changes})


def long_item(store: Store, item_id: str = "r-1.000001.0", **changes: Any) -> WorkItem:
    """One that would train for minutes."""
    return item(store, item_id, config={"local-epochs": 5000}, **changes)


def read(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray[Any, Any]]]]:
    """A result's meta and its arrays by record."""
    envelope = Envelope.open(path)
    arrays = {}
    for name in envelope.names:
        with envelope.payload(name) as payload:
            arrays[name] = payload.arrays()
    return envelope.meta, arrays


def metrics(meta: dict[str, Any]) -> dict[str, Any]:
    (found,) = [r["values"] for r in meta["records"] if r["kind"] == "metrics"]
    return records.unpack(found)
