"""An experiment's data set, divided among its nodes as one seed has it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

import numpy as np

from fedbed import data
from fedbed.errors import DataError, ExperimentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedbed.experiment.schema import Experiment

    Indices = NDArray[np.uint32]

_MOST_NAMED = 5
_MARK = 0x7E1D
"""Keeps the choice of what is kept back apart from whatever else is drawn from a run's seed."""


class Division:
    """Who holds which samples. `whole` is None where only the nodes have data.

    train, test: indices of each partition's samples. Raises DataError where the data set is
    missing, ExperimentError where it can't be divided so or leaves a class to nobody.
    """

    def __init__(self, experiment: Experiment, seed: int) -> None:
        self._spec = experiment.data
        self.name = _resolve(self._spec.dataset)
        self.whole: data.Dataset | None = None
        self.train: List[Indices] = []
        self.test: List[Indices] = []
        self.kept_back: data.Split | None = None
        """Training samples that neither nodes nor the twin see."""
        self._dealt: Indices = np.empty(0, np.uint32)
        self.counts: NDArray[np.int64] = np.zeros((0, 0), np.int64)
        """What of each class each partition has, [partitions, classes]: samples, or pixels."""
        if self._spec.delivery == "node":
            return
        spec = self._spec
        self.whole = data.load(self.name, spec.train_samples, spec.test_samples, spec.image_size)
        scheme, parts = self._spec.partition, experiment.federation.nodes
        train = self.whole.train
        self._dealt, kept_back = _divide(len(train), spec.validation_samples, seed)
        if len(kept_back):
            self.kept_back = train.take(kept_back)
        pooled = self.pooled().train
        plan = data.plan(pooled.labels, parts, scheme.scheme, seed, pooled.groups, **scheme.args)
        # Partitions that are one and the same array stay so: they are dealt out as one.
        moved = {id(indices): self._dealt[indices] for indices in plan}
        self.train = [moved[id(indices)] for indices in plan]
        self.test = data.split_test(len(self.whole.test), parts, seed)
        self.counts = data.class_counts(train.y, self.train, len(self.whole.classes))
        self._check_classes(self.whole)

    def pooled(self) -> data.Dataset:
        """Return all that the nodes hold together, with the test set: what the twin learns from."""
        assert self.whole is not None
        if self.kept_back is None:
            return self.whole
        return replace(self.whole, train=self.whole.train.take(self._dealt))

    def describe(self) -> Dict[str, Any]:
        """Describe the division for a result; empty where only the nodes have data.

        unit: what `class_counts` counts. heterogeneity: see `fedbed.data.heterogeneity`.
        overlapping: whether nodes share samples. groups: how many each node has, where the data set
        has some.
        """
        if self.whole is None:
            return {}
        scheme, train = self._spec.partition, self.whole.train
        found = {
            "scheme": scheme.scheme,
            "args": scheme.args,
            "hash": data.plan_hash(self.train),
            "train_sizes": [len(indices) for indices in self.train],
            "unit": "samples" if train.y.ndim == 1 else "pixels",
            "heterogeneity": round(data.heterogeneity(self.counts, self._held(train)), 4),
            "overlapping": data.overlaps(scheme.scheme),
        }
        if train.groups is not None:
            found["groups"] = [len(np.unique(train.groups[part])) for part in self.train]
        return found

    def _held(self, split: data.Split) -> NDArray[np.int64]:
        assert self.whole is not None
        everything = np.arange(len(split))
        (held,) = data.class_counts(split.y, [everything], len(self.whole.classes))
        return np.asarray(held)

    def _check_classes(self, whole: data.Dataset) -> None:
        """Refuse what asks for a class in the test that nobody could learn."""
        spared = data.load_card(self.name).absent
        missing = [
            label
            for label in data.absent(self.counts, self._held(whole.test))
            if whole.classes[label] not in spared
        ]
        if not missing:
            return
        named = ", ".join(f"'{whole.classes[label]}'" for label in missing[:_MOST_NAMED])
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        limit = self._spec.train_samples
        cure = "raise data.train_samples" if limit is not None else "take another data set"
        raise ExperimentError(
            f"no node holds class {named}{more}: none of the {len(whole.train)} training samples "
            f"of {whole.name} in use is of it, but test samples are; {cure}"
        )


def _divide(count: int, keep_back: int, seed: int) -> Tuple[Indices, Indices]:
    """Return which samples are dealt out and which are kept back, both in ascending order."""
    if keep_back >= count:
        raise ExperimentError(
            f"data.validation_samples is {keep_back}, but there are {count} training samples"
        )
    if not keep_back:
        return np.arange(count, dtype=np.uint32), np.empty(0, np.uint32)
    drawn = np.random.default_rng((_MARK, seed)).permutation(count).astype(np.uint32)
    return np.sort(drawn[keep_back:]), np.sort(drawn[:keep_back])


def _resolve(name: str) -> str:
    if name != "auto":
        return name
    try:
        data.check(data.load_card("mnist"))
    except DataError:
        return "synthetic-digits"
    return "mnist"
