"""Twins that were trained before, kept for runs that differ in nothing that a twin depends on.

Node counts, partitions, strategies and codecs don't touch the centralised twin as long as a round
sees as many samples, so that a comparison of them trains one twin for each seed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from coordinator.runner import twin
from coordinator.runner.channel import Channel
from fedbed import codec, installed, tasks
from fedbed.data import Dataset
from fedbed.errors import PayloadError
from fedbed.experiment import Experiment
from fedbed.tasks import Trainer

SUFFIX = ".twin"
MOST_BYTES = 1 << 30
"""What is kept at most; the twins that were not asked for the longest go first."""
_PLAIN = "plain"
_MODEL = "model/"
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
log = logging.getLogger("fedbed.runs")

Arrays = Mapping[str, "np.ndarray[Any, Any]"]


@dataclass(frozen=True)
class Twin:
    """A trained twin: the run that trained it, its entry for each round, and its final weights."""

    run: str
    history: list[dict[str, Any]]
    weights: Arrays


class Twins:
    """A folder of twins, one file each, named by what decides them; bounded in size."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes

    def recall(self, key: str) -> Twin | None:
        """Return the twin of that key; None if there is none, or it is damaged."""
        path = self._path(key)
        try:
            arrays = codec.decode(path.read_bytes())
            plain = json.loads(arrays.pop(_PLAIN).tobytes())
            os.utime(path)
            weights = {name.removeprefix(_MODEL): array for name, array in arrays.items()}
            return Twin(str(plain["run"]), list(plain["history"]), weights)
        except FileNotFoundError:
            return None
        except (PayloadError, OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the kept twin %s is of no use and trained anew: %s", path.name, error)
            return None

    def keep(self, key: str, trained: Twin) -> None:
        """Keep a twin, whole or not at all; a disk without room for it keeps none."""
        plain = json.dumps({"run": trained.run, "history": trained.history}).encode()
        arrays = {f"{_MODEL}{name}": array for name, array in trained.weights.items()}
        path = self._path(key)
        part = path.with_suffix(f".{os.getpid()}.new")
        try:
            data = codec.encode({_PLAIN: np.frombuffer(plain, np.uint8), **arrays}, "raw")
            if len(data) > self._most_bytes:
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            self._make_room(len(data))
            try:
                with part.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        except (PayloadError, OSError) as error:
            log.warning("the twin is not kept for other runs: %s", error)

    def _make_room(self, size: int) -> None:
        files = [(path.stat(), path) for path in self._folder.iterdir() if path.is_file()]
        held = sum(info.st_size for info, _ in files)
        for info, path in sorted(files, key=lambda entry: entry[0].st_mtime):
            if held + size <= self._most_bytes:
                return
            path.unlink(missing_ok=True)
            held -= info.st_size

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{SUFFIX}"


def obtain(
    twins: Twins,
    run: str,
    experiment: Experiment,
    seed: int,
    trainer: Trainer,
    initial: Arrays,
    data: Dataset,
    samples_per_round: list[int],
    channel: Channel,
) -> Twin:
    """Return the twin of a run, trained now or, where all is the same, before by another run.

    Either way the trainer holds its final weights afterwards.
    """
    key = key_of(experiment, seed, initial, data, samples_per_round)
    held = twins.recall(key)
    if held is None:
        history = twin.train(experiment, seed, trainer, initial, data, samples_per_round, channel)
        trained = Twin(run, history, trainer.weights())
        twins.keep(key, trained)
        return trained
    trainer.load(held.weights)
    rounds = len(samples_per_round)
    channel.publish("phase", {"phase": "twin", "round": rounds, "rounds": rounds})
    for entry in held.history:
        channel.publish("twin", entry)
    channel.publish("event", f"the centralised twin is that of run {held.run}, which is the same")
    return held


def evened(samples_per_round: list[int], nodes: int) -> list[int]:
    """Return as many samples in all, spread evenly over the rounds, where they nearly were before.

    Each node rounds its own part of a pass, so rounds of 3, 5 and 10 nodes differ by a few samples
    and each would need a twin of its own. Where the rounds have never been further from an even
    pace than one sample for each node, that difference is rounding alone, and one twin serves all.
    """
    rounds, total = len(samples_per_round), sum(samples_per_round)
    # Whole numbers: round(a / b) would round halves to even, now up and now down.
    marks = [(2 * total * number + rounds) // (2 * rounds) for number in range(rounds + 1)]
    seen = 0
    for samples, mark in zip(samples_per_round, marks[1:], strict=True):
        seen += samples
        if abs(seen - mark) > nodes:
            return samples_per_round
    return [after - before for before, after in pairwise(marks)]


def key_of(
    experiment: Experiment,
    seed: int,
    initial: Arrays,
    data: Dataset,
    samples_per_round: list[int],
) -> str:
    """Return the hash (64 hex digits) of all that decides a twin's figures on this machine.

    The samples and the initial weights count as they are, byte for byte, and so does the source
    of the tasks: a twin of other code is none of ours.
    """
    decides = {
        # What becomes of moments between rounds is nodes' affair alone.
        "experiment": experiment.model_dump(
            mode="json", include={"task", "optimizer"}, exclude={"optimizer": {"lr", "moments"}}
        ),
        "rounds": experiment.federation.rounds,
        "batch_size": experiment.twin_batch_size,
        "lr": experiment.twin_lr,
        "evaluate_every": experiment.federation.evaluate_every,
        "seed": seed,
        "samples": samples_per_round,
        "initial": codec.fingerprint(initial),
        "data": codec.fingerprint(
            {
                "train-x": data.train.x,
                "train-y": data.train.y,
                "test-x": data.test.x,
                "test-y": data.test.y,
            }
        ),
        "classes": len(data.classes),
        "code": _code(),
        "versions": {name: installed.version(name) for name in ("numpy", "torch")},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": [os.environ.get(name) for name in _THREADS],
    }
    text = json.dumps(decides, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _code() -> str:
    """Hash the source of the tasks and of the twin's training."""
    files = sorted(Path(str(tasks.__file__)).parent.rglob("*.py"))
    digest = hashlib.sha256()
    for path in [*files, Path(str(twin.__file__))]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
