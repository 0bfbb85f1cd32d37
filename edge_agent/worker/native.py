"""Runs fedbed's own tasks: numpy (and torch, where the task needs it), no flwr."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Optional, Sequence, Set, Tuple
from zipfile import BadZipFile

import numpy as np

from edge_agent.worker.adversary import spoil
from edge_agent.worker.clipping import CLIPPING_NORM, NORM_BIT, clip
from edge_agent.worker.job import Content, Job, Runner
from edge_agent.worker.recent import RecentSplits
from edge_agent.worker.straggler import prolong
from fedbed import codec, tasks
from fedbed.data import dataset
from fedbed.data.dataset import Split
from fedbed.errors import DataError, ExperimentError
from fedbed.link.messages import AppRef, BlobRef, DataRef
from fedbed.tasks.schedule import fit_seed, window

KEPT_BYTES = 256 * 1024 * 1024
"""Room for the samples of several partitions, where this node plays several virtual ones."""


class NativeRunner(Runner):
    """One task and this node's partitions, kept for the run: one, or those of its virtual nodes.

    Nothing of one partition's training stays for the next: `Trainer.load` forgets it.
    """

    def __init__(self, app: AppRef, data_path: Optional[Path]) -> None:
        self._trainer = tasks.create(app.name, app.run_config)
        _steady_threads()
        self._data_path = data_path
        self._splits = RecentSplits(KEPT_BYTES)
        self._asked: Set[Tuple[str, str]] = set()

    def handle(self, job: Job, content: Content) -> Content:
        """Train or evaluate on the item's partition.

        The config record holds `local-epochs`, `batch-size`, `lr`, `momentum`, `weight-decay`,
        `seed`, `optimizer`, `betas`, `clip` (0: none), `moments` and, from strategies that
        want them, `proximal-mu` and `clipping_norm`. The reply's metrics hold `num-examples`
        (samples in the partition, the weight of this update), `samples` (seen) and the task's
        metrics.
        """
        if job.item.data is None:
            raise ExperimentError("a native task came without its data")
        (arrays,) = content.arrays.values()
        (config,) = content.config.values()
        self._trainer.load(arrays)
        if job.item.kind != "train":
            split = self._split(job, job.item.data, "test")
            metrics = self._trainer.evaluate(split)
            return Content({}, {"metrics": {"num-examples": len(split), **metrics}}, {})
        split = self._split(job, job.item.data, "train")
        first, samples = window(float(config["local-epochs"]), len(split), job.item.round)
        settings = tasks.FitSettings(
            samples=samples,
            batch_size=int(config["batch-size"]),
            lr=float(config["lr"]),
            momentum=float(config["momentum"]),
            weight_decay=float(config["weight-decay"]),
            optimizer=str(config.get("optimizer", "sgd")),
            betas=_pair(config.get("betas", (0.9, 0.999))),
            clip=float(config.get("clip", 0.0)),
            proximal_mu=float(config.get("proximal-mu", 0.0)),
            seed=fit_seed(int(config["seed"]), 0, job.item.partition),
            first=first,
        )
        fitted = prolong(
            job.item.slowed or 1.0,
            lambda progress: self._trainer.fit(split, settings, progress),
            job.on_progress,
            job.pause,
        )
        metrics = {
            "num-examples": len(split),
            "samples": samples,
            "train_loss": fitted["loss"],
        }
        (name,) = content.arrays
        weights = self._trainer.weights()
        if config.get("moments") == "average":
            weights.update(self._trainer.moments(settings.optimizer))
        if CLIPPING_NORM in config:
            weights, longer = clip(float(config[CLIPPING_NORM]), arrays, weights)
            metrics[NORM_BIT] = int(longer)
        if job.item.poison is not None:
            weights = spoil(job.item.poison, arrays, weights)
        return Content({name: weights}, {"metrics": metrics}, {})

    def _split(self, job: Job, data: DataRef, part: str) -> Split:
        blob = data.train if part == "train" else data.test
        key = (part, "" if blob is None else blob.sha256)
        found = self._splits.get(key)
        if found is not None:
            return found
        self._asked.add(key)
        split = self._load(job, data, part)
        self._splits.keep(key, split)
        return split

    def _load(self, job: Job, data: DataRef, part: str) -> Split:
        if data.delivery == "node":
            return _sized(_own_samples(self._data_path, part), data.image_size)
        blob: Optional[BlobRef] = data.train if part == "train" else data.test
        if blob is None:
            raise ExperimentError(f"the experiment gives this node no {part} samples")
        arrays = codec.decode(job.path(blob).read_bytes())
        if data.delivery == "shipped":
            return Split(arrays["x"], arrays["y"])
        source = self._whole(data.dataset, part)
        indices = arrays["indices"]
        if len(indices) and int(indices.max()) >= len(source):
            raise DataError(
                f"this node's copy of {data.dataset} has {len(source)} {part} samples, "
                f"the experiment asks for number {int(indices.max())}: fetch the data set anew"
            )
        # Scaled after the choice: a node has no use for the others.
        return _sized(source.take(indices), data.image_size)

    def _whole(self, name: str, part: str) -> Split:
        key = (f"whole {part}", name)
        found = self._splits.get(key)
        if found is not None:
            return found
        try:
            split = dataset.load_split(name, part)
        except DataError as error:
            raise DataError(
                f"{error}; or let the coordinator send its samples: `data.delivery: shipped`"
            ) from error
        # Other samples than the first are a virtual node's: more of them will follow.
        if sum(asked == part for asked, _ in self._asked) > 1:
            self._splits.keep(key, split)
        return split


def _sized(split: Split, size: Optional[int]) -> Split:
    return split if size is None else dataset.scaled(split, size)


def _pair(values: Sequence[float]) -> Tuple[float, float]:
    first, second = values
    return float(first), float(second)


def _own_samples(path: Optional[Path], part: str) -> Split:
    if path is None:
        raise DataError(
            "the experiment wants this node's own data (`delivery: node`): "
            "start the agent with --data FILE.npz"
        )
    x_name, y_name = ("x", "y") if part == "train" else ("x_test", "y_test")
    try:
        with np.load(path, allow_pickle=False) as held:
            x, y = held[x_name], held[y_name]
    except KeyError as error:
        raise DataError(f"'{path}' holds no arrays '{x_name}' and '{y_name}'") from error
    except (OSError, EOFError, ValueError, TypeError, AttributeError, BadZipFile) as error:
        raise DataError(f"'{path}' can't be read as an .npz file: {error}") from error
    whole_numbers = np.issubdtype(y.dtype, np.integer)
    labelled = y.ndim == 1 and len(x) == len(y)
    masked = y.ndim == 3 and y.shape == x.shape[:3] and y.dtype == np.uint8
    if x.dtype != np.uint8 or not whole_numbers or not (labelled or masked) or not len(y):
        raise DataError(
            f"'{path}': '{x_name}' must hold uint8 images and '{y_name}' one label for each, a "
            f"whole number, or one mask for each, uint8 and as large as the image; "
            f"it has {x.dtype} {list(x.shape)} and {y.dtype} {list(y.shape)}"
        )
    return Split(x, y.astype(np.int64) if labelled else y)


def _steady_threads() -> None:
    """Pin torch's thread count to the agent's: it decides the order of floating-point sums."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
