"""Which samples each partition of an experiment holds, and how they get to the nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from coordinator.store.blobs import BlobStore
from fedbed import codec
from fedbed.data import Dataset, Split
from fedbed.experiment import Experiment
from fedbed.experiment.division import Division
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
        self._division = Division(experiment, seed)
        self.name = self._division.name
        self.train, self.test = self._division.train, self._division.test

    @property
    def whole(self) -> Dataset | None:
        """The data set, where the coordinator has it."""
        return self._division.whole

    @property
    def kept_back(self) -> Split | None:
        """Training samples that neither nodes nor the twin see; None if there are none."""
        return self._division.kept_back

    def pooled(self) -> Dataset:
        """Return all that the nodes hold together, with the test set: what the twin learns from."""
        return self._division.pooled()

    def sizes(self) -> dict[int, int]:
        """Number of training samples of each partition, where the run deals them out."""
        return {p: len(indices) for p, indices in enumerate(self.train)}

    def deal(self, blobs: BlobStore) -> dict[int, DataRef]:
        """Make each partition's blobs; returns the references that go into work items."""
        delivery, size = self._spec.delivery, self._spec.image_size
        if self.whole is None:
            own = DataRef(delivery, self.name, image_size=size)
            return dict.fromkeys(range(self._partitions), own)
        dealt = {}
        made: dict[int, BlobRef] = {}
        """By the array's identity: partitions that overlap entirely share one."""
        for partition, indices in enumerate(self.train):
            test = None
            if self._evaluates_on_nodes:
                test = self._blob(blobs, self.whole.test, self.test[partition])
            if id(indices) not in made:
                made[id(indices)] = self._blob(blobs, self.whole.train, indices)
            dealt[partition] = DataRef(delivery, self.name, made[id(indices)], test, size)
        return dealt

    def describe(self) -> dict[str, Any]:
        """Describe the partition for the result."""
        return self._division.describe()

    def class_counts(self) -> list[list[int]]:
        """What of each class each partition has: training samples, or pixels of their masks."""
        return [[int(n) for n in row] for row in self._division.counts]

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
