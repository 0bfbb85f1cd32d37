"""One real update of ResNet-18 on its way: bytes, and speed of encoding and decoding.

The peer's two ways are in `benchmarks.pipelines`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from benchmarks import pipelines
from benchmarks.pipelines import Arrays
from benchmarks.rows import Row
from fedbed import codec, data, tasks
from fedbed.tasks import FitSettings

TASK = "cifar10_resnet18"
BATCH = 32
SEED = 1
MB = 1e6
JSON_TEXT = "JSON"
PICKLE = "bf16+pickle+zstd"
MOST_BYTES = {"bf16": 16.0, "int8": 9.0, "small": 2.5}
LEAST_SPEED = {"bf16": 400.0, "int8": 250.0}


@dataclass(frozen=True)
class Way:
    """One way to send an update: size in MB, and speeds in MB of float32 per second."""

    size: float
    encode: float
    decode: float


def measure(quick: bool) -> list[Row]:
    """Train, then encode the update by every profile and by the peer's two ways."""
    steps = 5 if quick else 20
    sent, update = _trained(steps)
    repetitions = 5 if quick else 9
    with _one_core():
        ours = {name: _profile(name, sent, update, repetitions) for name in codec.PROFILES}
        halves = _timed(
            lambda: pipelines.to_halves(update), pipelines.from_halves, update, repetitions
        )
        peers = {PICKLE: halves, JSON_TEXT: _as_json(update, quick)}
    return rows(ours, peers, f"after {steps} + {steps} steps of {BATCH} images")


def rows(ours: dict[str, Way], peers: dict[str, Way], note: str) -> list[Row]:
    """Lay the profiles beside the peer that loses as much: JSON for those that lose nothing.

    note: how the update was made.
    """
    found: list[Row] = []
    text = peers[JSON_TEXT]
    for name, way in ours.items():
        peer = PICKLE if codec.PROFILES[name].lossy else JSON_TEXT
        saved = f"{100 * (way.size / text.size - 1):.1f} % against {text.size:.0f} MB of JSON"
        found.append(
            Row(
                f"ResNet-18 update, {name}: size",
                way.size,
                "MB",
                goal=MOST_BYTES.get(name),
                peer=peers[peer].size,
                peer_name=peer,
                note=f"{saved}; {note}",
            )
        )
    for name, way in ours.items():
        peer = PICKLE if codec.PROFILES[name].lossy else JSON_TEXT
        for verb, speed, other in (
            ("encode", way.encode, peers[peer].encode),
            ("decode", way.decode, peers[peer].decode),
        ):
            found.append(
                Row(
                    f"ResNet-18 update, {name}: {verb}, one core",
                    speed,
                    "MB/s",
                    goal=LEAST_SPEED.get(name),
                    at_least=name in LEAST_SPEED,
                    peer=other,
                    peer_name=peer,
                )
            )
    return found


@contextmanager
def _one_core() -> Iterator[None]:
    """Keep to one core: torch, by which the peer rounds, and the thread that hashes for us."""
    import torch

    threads, cores = torch.get_num_threads(), os.sched_getaffinity(0)
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        torch.set_num_threads(threads)


def _trained(steps: int) -> tuple[Arrays, Arrays]:
    """Return the model that a node was sent, itself trained for a while, and the node's update."""
    samples = data.load("cifar10", 2 * steps * BATCH, 1).train
    trainer = tasks.create(TASK)
    trainer.load(trainer.initial(SEED))
    states: list[Arrays] = []
    for place in range(2):
        part = samples.take(range(place * steps * BATCH, (place + 1) * steps * BATCH))
        settings = FitSettings(steps * BATCH, BATCH, 0.05, 0.9, 5e-4, seed=SEED + place)
        trainer.fit(part, settings, lambda _share: None)
        states.append(trainer.weights())
        trainer.load(states[-1])
    return states[0], states[1]


def _profile(name: str, sent: Arrays, update: Arrays, repetitions: int) -> Way:
    # As in a run, where both sides know the model by the hash of the blob that carried it.
    known = codec.Reference(sent, "ab" * 32)
    reference = known if codec.PROFILES[name].lossy else None

    def encode() -> bytes:
        residual: Arrays = {}
        return codec.encode(update, name, reference=reference, residual=residual, seed=SEED)

    return _timed(encode, lambda b: codec.decode(b, reference=reference), update, repetitions)


def _as_json(update: Arrays, quick: bool) -> Way:
    """Time the whole once; the quick call times its last arrays, a fifth of it, and scales."""
    wanted = dict(list(update.items())[-12:]) if quick else update
    way = _timed(lambda: pipelines.to_json(wanted), pipelines.from_json, wanted, 1)
    return Way(way.size * _bytes(update) / _bytes(wanted), way.encode, way.decode)


def _timed(
    encode: Callable[[], bytes],
    decode: Callable[[bytes], object],
    arrays: Arrays,
    repetitions: int,
) -> Way:
    """Return the median of `repetitions` of each, after one to warm up if there are several."""
    encoding, decoding = [], []
    payload = encode() if repetitions > 1 else b""
    for _ in range(repetitions):
        began = time.perf_counter()
        payload = encode()
        between = time.perf_counter()
        decode(payload)
        encoding.append(between - began)
        decoding.append(time.perf_counter() - between)
    size = _bytes(arrays) / MB
    return Way(len(payload) / MB, size / median(encoding), size / median(decoding))


def _bytes(arrays: Arrays) -> int:
    return sum(array.nbytes for array in arrays.values())
