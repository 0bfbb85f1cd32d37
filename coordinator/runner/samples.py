"""Which samples each partition of an experiment holds, and how they get to the nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from coordinator.store.blobs import BlobStore
from fedbed import codec, data
from fedbed.data import Split
from fedbed.errors import DataError
from fedbed.experiment import Experiment
from fedbed.link.messages import BlobRef, DataRef

Indices = np.ndarray[Any, np.dtype[np.uint32]]


class Samples:
    """The partition of one run. `whole` is None where only the nodes have data.

    Raises DataError where the data set is missing, ExperimentError where it can't be divided so.
    """

    def __init__(self, experiment: Experiment, partitions: int, seed: int) -> None:
        self._spec = experiment.data
        self._partitions = partitions
        self._evaluates_on_nodes = experiment.federation.evaluate in ("nodes", "both")
        self.name = _resolve(self._spec.dataset)
        self.whole: data.Dataset | None = None
        self.train: list[Indices] = []
        self.test: list[Indices] = []
        if self._spec.delivery == "node":
            return
        self.whole = data.load(self.name, self._spec.train_samples, self._spec.test_samples)
        scheme = self._spec.partition
        labels = self.whole.train.labels
        self.train = data.plan(labels, partitions, scheme.scheme, seed, **scheme.args)
        self.test = data.split_test(len(self.whole.test), partitions, seed)

    def sizes(self) -> dict[int, int]:
        """Number of training samples of each partition, where the run deals them out."""
        return {p: len(indices) for p, indices in enumerate(self.train)}

    def deal(self, blobs: BlobStore) -> dict[int, DataRef]:
        """Make each partition's blobs; returns the references that go into work items."""
        delivery = self._spec.delivery
        if self.whole is None:
            return {p: DataRef(delivery, self.name) for p in range(self._partitions)}
        dealt = {}
        for partition, indices in enumerate(self.train):
            test = None
            if self._evaluates_on_nodes:
                test = self._blob(blobs, self.whole.test, self.test[partition])
            train = self._blob(blobs, self.whole.train, indices)
            dealt[partition] = DataRef(delivery, self.name, train, test)
        return dealt

    def describe(self) -> dict[str, Any]:
        """Describe the partition for the result."""
        if self.whole is None:
            return {}
        scheme = self._spec.partition
        return {
            "scheme": scheme.scheme,
            "args": scheme.args,
            "hash": data.plan_hash(self.train),
            "train_sizes": [len(indices) for indices in self.train],
        }

    def class_counts(self) -> list[list[int]]:
        """Number of training samples of each class, per partition."""
        if self.whole is None:
            return []
        counts = data.class_counts(self.whole.train.labels, self.train, len(self.whole.classes))
        return [[int(n) for n in row] for row in counts]

    def save(self, path: Path) -> None:
        """Keep the indices beside the results (uint32 arrays `train-<partition>`)."""
        arrays = {f"train-{p}": indices for p, indices in enumerate(self.train)}
        arrays.update({f"test-{p}": indices for p, indices in enumerate(self.test)})
        if arrays:
            np.savez_compressed(path, **arrays)  # type: ignore[arg-type]

    def _blob(self, blobs: BlobStore, split: Split, indices: Indices) -> BlobRef:
        if self._spec.delivery == "shared":
            return blobs.put(codec.encode({"indices": indices}, "raw"))
        part = split.take(indices)
        return blobs.put(codec.encode({"x": part.x, "y": part.y}, "exact", "zlib"))


def _resolve(name: str) -> str:
    if name != "auto":
        return name
    try:
        data.check(data.load_card("mnist"))
    except DataError:
        return "synthetic-digits"
    return "mnist"
