"""How fast updates that lie on the machine are averaged: ours, flwr's own way, and the bound.

16 updates of a ResNet-18 (122 arrays, 44.7 MB float32 each) lie as result files in the spool, as
after their upload; the files are in the page cache, from which the run's process reads them. In
each repetition every contestant averages once, in an order that turns, so that a disturbance of
the machine meets all of them alike; figures are medians, of MB of float32 averaged per second.

The bound is `numpy.copyto` of the same bytes, update by update from memory into one buffer: every
average has to read as much and to write an update.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from flwr.app import MetricRecord, RecordDict
from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

from benchmarks.rows import Row
from coordinator.runner.average import average
from coordinator.runner.replies import Reply, materialise
from coordinator.runner.sent import Sent
from fedbed import codec, flower
from fedbed.link import envelope
from fedbed.link.messages import BlobRef

APP = Path(__file__).resolve().parent / "apps" / "echo"
NODES = 16
DISTINCT = 4
"""Updates that are really encoded; the other nodes' files are copies of theirs."""
REPETITIONS = 11
QUICK_REPETITIONS = 3
SLOW_REPETITIONS = 1
"""Of lossy and compressed profiles, whose time goes into decoding."""
WEIGHTED_BY = "num-examples"

Arrays = dict[str, "np.ndarray[Any, Any]"]
Contestant = Callable[[], object]


def measure(quick: bool) -> list[Row]:
    """Rates of averaging 16 ResNet-18 updates, beside numpy.copyto and flwr's own aggregation."""
    model: Arrays = flower.load_attribute("echo.model:initial", APP)("resnet18")
    megabytes = NODES * sum(array.nbytes for array in model.values()) / 1e6
    with tempfile.TemporaryDirectory() as folder:
        spooled = {
            profile: _spooled(Path(folder), model, profile) for profile in ("raw", "exact", "bf16")
        }
        contents = spooled["raw"]
        eager = [materialise(content) for content in contents]
        seconds = _seconds(
            {
                "ours": lambda: average(contents, WEIGHTED_BY),
                "copyto": _copying(contents),
                "flwr": lambda: aggregate_arrayrecords(eager, WEIGHTED_BY),
                "flwr, spooled": lambda: aggregate_arrayrecords(contents, WEIGHTED_BY),
            },
            QUICK_REPETITIONS if quick else REPETITIONS,
        )
        decoding = _seconds(
            {
                profile: lambda lazy=spooled[profile]: average(lazy, WEIGHTED_BY)  # type: ignore[misc]
                for profile in ("exact", "bf16")
            },
            SLOW_REPETITIONS if quick else REPETITIONS // 3,
        )
    rate = {name: megabytes / spent for name, spent in {**seconds, **decoding}.items()}
    what = f"averaging {NODES} updates of ResNet-18"
    return [
        Row(
            f"{what}, beside the bound",
            rate["ours"],
            "MB/s",
            goal=0.5,
            at_least=True,
            of_ratio=True,
            peer=rate["copyto"],
            peer_name="numpy.copyto",
            note="float32; stored whole (raw)",
        ),
        *(
            Row(
                f"{what}, beside flwr's own{where}",
                rate["ours"],
                "MB/s",
                goal=1.0,
                at_least=True,
                of_ratio=True,
                peer=rate[peer],
                peer_name="flwr",
                note=f"{held}; the result has the same bits",
            )
            for where, peer, held in (
                ("", "flwr", "flwr's updates in memory, as it keeps them"),
                (" from the spool", "flwr, spooled", "flwr's loop over arrays that decode lazily"),
            )
        ),
        *(
            Row(f"{what}, {profile}", rate[profile], "MB/s", note="decoding takes the time")
            for profile in ("exact", "bf16")
        ),
    ]


def _spooled(folder: Path, model: Arrays, profile: str) -> list[RecordDict]:
    """Write each node's result as its agent would, and return the replies' contents."""
    reference = codec.Reference(model)
    is_difference = codec.PROFILES[profile].wants_reference
    sent = {"arrays": Sent(BlobRef(reference.fingerprint, 0), reference, {})}
    generator = np.random.default_rng(2)
    step: Arrays = {
        name: np.asarray(generator.standard_normal(array.shape, np.float32)) / 500
        for name, array in model.items()
    }
    contents = []
    for node in range(NODES):
        path = folder / f"{profile}.{node}"
        if node < DISTINCT:
            trained = _trained(model, step, node)
            data = codec.encode(trained, profile, reference=model if is_difference else None)
            listed = [{"name": "arrays", "kind": "arrays", "payload": "arrays"}]
            envelope.write(path, {"records": listed}, [("arrays", data)])
        else:
            shutil.copyfile(folder / f"{profile}.{node % DISTINCT}", path)
        reply = Reply(node, path, path.stat().st_size, 0.0)
        reply.open()
        content = reply.content(sent if is_difference else {})
        content["metrics"] = MetricRecord({WEIGHTED_BY: 100 + node})
        contents.append(content)
    return contents


def _trained(model: Arrays, step: Arrays, node: int) -> Arrays:
    return {
        name: (array + step[name] * (node + 1) / NODES).astype(array.dtype)
        for name, array in model.items()
    }


def _copying(contents: list[RecordDict]) -> Contestant:
    """Return a copy of all updates, each of which lies in memory as one array of bytes."""
    updates = [
        np.concatenate(
            [a.numpy().reshape(-1).view(np.uint8) for a in content.array_records["arrays"].values()]
        )
        for content in contents
    ]
    buffer = np.zeros_like(updates[0])

    def copy() -> None:
        for update in updates:
            np.copyto(buffer, update)

    return copy


def _seconds(contestants: dict[str, Contestant], repetitions: int) -> dict[str, float]:
    """Return the median time of each."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    for _ in range(repetitions):
        for name in order:
            began = time.perf_counter()
            contestants[name]()
            taken[name].append(time.perf_counter() - began)
        order.append(order.pop(0))
    return {name: median(times) for name, times in taken.items()}
