"""Load a data set by name into arrays, whatever it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple, Union

import numpy as np

from fedbed.data import generated, store, synthetic
from fedbed.data.cards import Card, Generator, load_card
from fedbed.data.idx import parse_idx
from fedbed.data.npz import parse_npz
from fedbed.errors import DataError, ExperimentError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Split:
    """Images with a label each, or with a mask each.

    x: uint8 [n, height, width] in grey (MNIST: 28x28, 0 is background) or
    [n, height, width, 3] in RGB (CIFAR-10: 32x32).
    y: labels int64 [n], or masks uint8 [n, height, width] with a class per pixel.
    groups: int64 [n], numbers of what samples were taken from together (a scene, a site); None
    where the data set knows of none.
    """

    x: NDArray[np.uint8]
    y: NDArray[np.integer]
    groups: Optional[NDArray[np.int64]] = None

    def __len__(self) -> int:
        return len(self.y)

    @property
    def labels(self) -> NDArray[np.int64]:
        """One class per sample, int64 [n]: its label, or the most frequent class of its mask."""
        if self.y.ndim == 1:
            return self.y.astype(np.int64, copy=False)
        flat = self.y.reshape(len(self.y), -1)
        return np.array([np.bincount(mask).argmax() for mask in flat], np.int64)

    def take(self, indices: Union[Sequence[int], NDArray[np.integer], slice]) -> Split:
        """The samples at `indices`, in their order: integers [k] copy, a slice shares memory."""
        rows = indices if isinstance(indices, slice) else np.asarray(indices, np.int64)
        groups = None if self.groups is None else self.groups[rows]
        return Split(self.x[rows], self.y[rows], groups)


@dataclass(frozen=True)
class Dataset:
    """A data set in memory; label i is called `classes[i]`."""

    name: str
    train: Split
    test: Split
    classes: Tuple[str, ...]


def load(
    name: str, train_samples: Optional[int] = None, test_samples: Optional[int] = None
) -> Dataset:
    """Load the data set `name`; the limits keep the first so many samples of each split.

    Raises ExperimentError for an unknown name or a limit that is not within 1 and what the split
    has, DataError if files are missing, corrupt or don't fit each other.
    """
    card = load_card(name)
    _check_limit(card, "train", train_samples)
    _check_limit(card, "test", test_samples)
    if card.generator is not None:
        train, test = _generated(card, card.generator)
    else:
        read = _from_npz if card.kind == "npz" else _from_idx
        train, test = read(card, "train"), read(card, "test")
    return Dataset(name, _first(train, train_samples), _first(test, test_samples), card.classes)


def verify(card: Card) -> List[store.FileStatus]:
    """State of everything a data set consists of; generated arrays count as one file, `arrays`."""
    if card.generator is None:
        return store.status(card)
    recipe = _recipe(card, card.generator)
    found, path = generated.arrays_sha256(generated.load(recipe)), generated.cache_path(recipe)
    if found == card.generator.sha256:
        return [store.FileStatus("arrays", store.PRESENT, path)]
    problem = f"generated arrays have sha256 {found}, expected {card.generator.sha256}"
    return [store.FileStatus("arrays", store.CORRUPT, path, problem)]


def _check_limit(card: Card, split: str, limit: Optional[int]) -> None:
    have = card.shapes[split][0]
    if limit is not None and not 1 <= limit <= have:
        raise ExperimentError(
            f"data set {card.name}: {limit} {split} samples asked, allowed are 1 to {have}"
        )


def _first(split: Split, limit: Optional[int]) -> Split:
    return split if limit is None else split.take(slice(limit))


def _recipe(card: Card, made: Generator) -> generated.Recipe:
    if made.name != "digits":
        raise ExperimentError(f"data set {card.name}: no generator is called {made.name!r}")
    return synthetic.recipe(made.seed, made.train, made.test)


def _generated(card: Card, made: Generator) -> Tuple[Split, Split]:
    # The hash is not enforced here: a stray pixel must not stop a run. `fedbed data check` says it.
    arrays = generated.load(_recipe(card, made))
    return Split(arrays["x_train"], arrays["y_train"]), Split(arrays["x_test"], arrays["y_test"])


def _from_idx(card: Card, split: str) -> Split:
    images = _array(card, f"{split}_images")
    labels = _array(card, f"{split}_labels")
    shape = card.shapes[split]
    if len(images) != len(labels):
        raise DataError(
            f"data set {card.name}: {len(images)} {split} images, but {len(labels)} labels"
        )
    if images.shape != shape or labels.ndim != 1:
        raise DataError(
            f"data set {card.name}: {split} images have shape {list(images.shape)} and labels "
            f"{list(labels.shape)}, the card says {list(shape)}"
        )
    _check_labels(card, split, labels)
    return Split(images, labels.astype(np.int64))


def _from_npz(card: Card, split: str) -> Split:
    file, shape = card.file(split), card.shapes[split]
    wanted = {"images": (card.dtype, shape), "labels": ("int64", shape[:1])}
    arrays = parse_npz(store.read(card, file), file.name, wanted)
    _check_labels(card, split, arrays["labels"])
    return Split(arrays["images"], arrays["labels"])


def _check_labels(card: Card, split: str, labels: NDArray[np.integer]) -> None:
    for label in (labels.min(), labels.max()) if len(labels) else ():
        if not 0 <= int(label) < len(card.classes):
            raise DataError(
                f"data set {card.name}: label {label} in {split}, "
                f"but there are only {len(card.classes)} classes"
            )


def _array(card: Card, role: str) -> NDArray[np.uint8]:
    file = card.file(role)
    values = parse_idx(store.read(card, file), file.name)
    if values.dtype != np.dtype(card.dtype):
        raise DataError(f"{file.name} holds {values.dtype}, the card says {card.dtype}")
    return values
