"""Load a data set by name into arrays, whatever it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from fedbed.data import clouds, generated, pictures, scale, store, synthetic
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
    name: str,
    train_samples: Optional[int] = None,
    test_samples: Optional[int] = None,
    image_size: Optional[int] = None,
) -> Dataset:
    """Load the data set `name`; the limits keep the first so many samples of each split.

    image_size: pixels of the shorter side to which pictures are scaled down; None: as they are.
    Raises ExperimentError for an unknown name, a limit that is not within 1 and what the split
    has, or a size to which no whole factor leads; DataError if files are missing, corrupt or don't
    fit each other.
    """
    train = load_split(name, "train", train_samples, image_size)
    test = load_split(name, "test", test_samples, image_size)
    return Dataset(name, train, test, load_card(name).classes)


def load_split(
    name: str, part: str, limit: Optional[int] = None, image_size: Optional[int] = None
) -> Split:
    """Load `train` or `test` of a data set alone; otherwise as `load`."""
    card = load_card(name)
    have = card.shapes[part][0]
    if limit is not None and not 1 <= limit <= have:
        raise ExperimentError(
            f"data set {name}: {limit} {part} samples asked, allowed are 1 to {have}"
        )
    split = _READERS[card.kind](card, part, limit)
    return split if image_size is None else scaled(split, image_size)


def scaled(split: Split, size: int) -> Split:
    """The same samples, smaller: see `fedbed.data.scale`."""
    y = split.y if split.y.ndim == 1 else scale.masks(split.y.astype(np.uint8, copy=False), size)
    return Split(scale.images(split.x, size), y, split.groups)


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


def _recipe(card: Card, made: Generator) -> generated.Recipe:
    if made.name not in _GENERATORS:
        raise ExperimentError(f"data set {card.name}: no generator is called {made.name!r}")
    return _GENERATORS[made.name](made.seed, made.train, made.test)


def _generated(card: Card, part: str, limit: Optional[int]) -> Split:
    # The hash is not enforced here: a stray pixel must not stop a run. `fedbed data check` says it.
    assert card.generator is not None
    arrays = generated.load(_recipe(card, card.generator))
    whole = Split(arrays[f"x_{part}"], arrays[f"y_{part}"], arrays.get(f"groups_{part}"))
    return whole.take(slice(limit))


def _from_idx(card: Card, split: str, limit: Optional[int]) -> Split:
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
    return Split(images, labels.astype(np.int64)).take(slice(limit))


def _from_npz(card: Card, split: str, limit: Optional[int]) -> Split:
    file, shape = card.file(split), card.shapes[split]
    wanted = {"images": (card.dtype, shape), "labels": ("int64", shape[:1])}
    if card.targets == "masks":
        wanted = {"images": (card.dtype, shape), "masks": ("uint8", shape[:3])}
    if card.grouped:
        wanted["groups"] = ("int64", shape[:1])
    arrays = parse_npz(store.read(card, file), file.name, wanted)
    _check_labels(card, split, arrays[card.targets])
    whole = Split(arrays["images"], arrays[card.targets], arrays.get("groups"))
    return whole.take(slice(limit))


def _from_pictures(card: Card, split: str, limit: Optional[int]) -> Split:
    x, y, groups = pictures.load(card, split, limit)
    _check_labels(card, split, y)
    return Split(x, y, groups)


def _check_labels(card: Card, split: str, labels: NDArray[np.integer]) -> None:
    what = "label" if labels.ndim == 1 else "mask value"
    for label in (labels.min(), labels.max()) if len(labels) else ():
        if not 0 <= int(label) < len(card.classes):
            raise DataError(
                f"data set {card.name}: {what} {label} in {split}, "
                f"but there are only {len(card.classes)} classes"
            )


def _array(card: Card, role: str) -> NDArray[np.uint8]:
    file = card.file(role)
    values = parse_idx(store.read(card, file), file.name)
    if values.dtype != np.dtype(card.dtype):
        raise DataError(f"{file.name} holds {values.dtype}, the card says {card.dtype}")
    return values


_READERS: Dict[str, Callable[[Card, str, Optional[int]], Split]] = {
    "idx": _from_idx,
    "npz": _from_npz,
    "generated": _generated,
    "pictures": _from_pictures,
}
_GENERATORS: Dict[str, Callable[[int, int, int], generated.Recipe]] = {
    "clouds": clouds.recipe,
    "digits": synthetic.recipe,
}
