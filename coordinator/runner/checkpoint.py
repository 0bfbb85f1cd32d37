"""What a run needs to go on: model, strategy state, random state, history. One file per round."""

from __future__ import annotations

import json
import logging
import os
import random
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fedbed import codec
from fedbed.errors import PayloadError

ArrayMap = dict[str, "np.ndarray[Any, Any]"]
SUFFIX = ".ckpt"
KEPT = 2
log = logging.getLogger("fedbed.runs")


@dataclass
class Checkpoint:
    """The state after `round`; `plain` is JSON-ready, arrays are exact."""

    round: int
    exchanges: int
    model: ArrayMap
    strategy_plain: dict[str, Any]
    strategy_arrays: ArrayMap
    history: list[dict[str, Any]]
    result: dict[str, Any] = field(default_factory=dict)
    traffic: tuple[int, int] = (0, 0)
    elapsed_s: float = 0.0
    started_at: float = 0.0
    under_way: dict[str, Any] = field(default_factory=dict)
    """What asynchronous rounds had out: JSON-ready."""


def _at_once(write: Callable[[], None]) -> None:
    write()


class Checkpoints:
    """A folder of checkpoints; the newest whole one counts.

    patiently: calls what writes a file; again, if it likes, where there was no room.
    """

    def __init__(
        self, folder: Path, patiently: Callable[[Callable[[], None]], None] = _at_once
    ) -> None:
        self._folder = folder
        self._patiently = patiently
        self._writer = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[None] | None = None

    def begin(self, checkpoint: Checkpoint, needed: Collection[int] = ()) -> None:
        """Begin to write a checkpoint, of the random state as it is now; `settle` ends it.

        Its arrays must not change until then. needed: older rounds whose `model_of` is still
        asked for.
        """
        self.settle()
        plain = {
            "round": checkpoint.round,
            "exchanges": checkpoint.exchanges,
            "strategy": checkpoint.strategy_plain,
            "history": checkpoint.history,
            "result": checkpoint.result,
            "traffic": list(checkpoint.traffic),
            "elapsed_s": checkpoint.elapsed_s,
            "started_at": checkpoint.started_at,
            "random": _random_state(),
            "under_way": checkpoint.under_way,
        }
        arrays: ArrayMap = {"plain": np.frombuffer(json.dumps(plain).encode(), np.uint8)}
        arrays.update({f"model/{k}": v for k, v in checkpoint.model.items()})
        arrays.update({f"strategy/{k}": v for k, v in checkpoint.strategy_arrays.items()})
        path = self._path(checkpoint.round)
        kept = {self._path(number) for number in needed}
        self._writing = self._writer.submit(
            self._patiently, lambda: self._write(path, arrays, kept)
        )

    def settle(self) -> None:
        """Wait until what was begun is on disk; OSError if it can't be written."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def model_of(self, number: int) -> ArrayMap | None:
        """Return the model after a round, None where its checkpoint is gone or damaged."""
        try:
            arrays = codec.decode(self._path(number).read_bytes())
        except (PayloadError, OSError):
            return None
        return _below(arrays, "model/")

    def _path(self, number: int) -> Path:
        return self._folder / f"round-{number:06d}{SUFFIX}"

    def _write(self, path: Path, arrays: ArrayMap, kept: Collection[Path]) -> None:
        """Write by atomic rename and sync, then drop all but the newest two and `kept`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        data = codec.encode(arrays, "raw")
        temporary = path.with_suffix(".new")
        with temporary.open("wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        temporary.replace(path)
        for old in sorted(self._folder.glob(f"*{SUFFIX}"))[:-KEPT]:
            if old not in kept:
                old.unlink()

    def latest(self) -> Checkpoint | None:
        """Read the newest checkpoint and put the random state back; None if there is none.

        A damaged file is passed over for the one before: a round is trained again, no run lost.
        """
        for path in sorted(self._folder.glob(f"*{SUFFIX}"), reverse=True):
            try:
                arrays = codec.decode(path.read_bytes())
                plain = json.loads(arrays.pop("plain").tobytes())
            except (PayloadError, OSError, ValueError, KeyError) as error:
                log.warning("%s is damaged, taking the one before: %s", path.name, error)
                continue
            _restore_random(plain["random"])
            return Checkpoint(
                round=plain["round"],
                exchanges=plain["exchanges"],
                model=_below(arrays, "model/"),
                strategy_plain=plain["strategy"],
                strategy_arrays=_below(arrays, "strategy/"),
                history=plain["history"],
                result=plain["result"],
                traffic=(plain["traffic"][0], plain["traffic"][1]),
                elapsed_s=plain["elapsed_s"],
                started_at=plain["started_at"],
                under_way=plain.get("under_way", {}),
            )
        return None


def _below(arrays: ArrayMap, prefix: str) -> ArrayMap:
    return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}


def _random_state() -> dict[str, Any]:
    """Python's and NumPy's global generators: strategies sample and add noise with them."""
    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, list(words), gauss],
        "numpy": [kind, [int(k) for k in keys], int(position), int(has_gauss), float(cached)],
    }


def _restore_random(state: dict[str, Any]) -> None:
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, np.array(keys, np.uint32), position, has_gauss, cached))
