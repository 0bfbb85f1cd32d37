"""Reads the arrays of a data set that lies in picture files: see `pictures` in `cards`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from fedbed.data import groups, pixels, store
from fedbed.data.cards import Card
from fedbed.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pairs = List[Tuple[store.Listed, store.Listed]]


def load(
    card: Card, split: str, limit: Optional[int] = None
) -> Tuple[NDArray[np.uint8], NDArray[np.uint8], Optional[NDArray[np.int64]]]:
    """Images uint8 [n, height, width, 3], masks uint8 [n, height, width] and group numbers [n].

    Pairs come in the order of their names, `limit` keeps the first so many; group numbers are the
    same whatever the limit, and no group of one split has the number of another. Every byte is
    verified. Raises DataError if files are missing, corrupt or don't fit the card.
    """
    listed = store.pictures(card)
    pairs = _pairs(card, listed, split)
    shape = card.shapes[split]
    if len(pairs) != shape[0]:
        raise DataError(
            f"data set {card.name}: {len(pairs)} {split} pictures are listed, the card says "
            f"{shape[0]}"
        )
    pairs = pairs[:limit]
    x = np.empty((len(pairs), *shape[1:]), np.uint8)
    y = np.empty((len(pairs), *shape[1:3]), np.uint8)
    for row, (image, mask) in enumerate(pairs):
        x[row] = _fitting(card, image, pixels.image(store.read(card, image), image.name), x)
        y[row] = _fitting(card, mask, pixels.mask(store.read(card, mask), mask.name), y)
    return x, y, _groups(card, listed, [_base(image.name) for image, _ in pairs])


def paired(images: Sequence[str], masks: Sequence[str]) -> Tuple[List[Tuple[str, str]], List[str]]:
    """Pair files by their names without suffix, in the order of these; and say which can't be.

    Returns the pairs and a line for each file that has no counterpart, or two.
    """
    problems: List[str] = []
    by_stem = _stems(masks, problems)
    pairs = []
    for stem, image in sorted(_stems(images, problems).items()):
        mask = by_stem.pop(stem, None)
        if mask is None:
            problems.append(f"{image}: has no mask of that name in masks/")
        else:
            pairs.append((image, mask))
    problems += [f"{mask}: has no image of that name in images/" for mask in by_stem.values()]
    return pairs, problems


def _stems(files: Sequence[str], problems: List[str]) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for file in sorted(files):
        stem = _base(file).rpartition(".")[0]
        if stem in found:
            problems.append(f"{file}: {found[stem]} has the same name: which one is it?")
        else:
            found[stem] = file
    return found


def _pairs(card: Card, listed: Sequence[store.Listed], split: str) -> Pairs:
    named = {file.name: file for file in listed}
    images = [name for name in named if name.startswith(f"{split}/images/")]
    masks = [name for name in named if name.startswith(f"{split}/masks/")]
    pairs, problems = paired(images, masks)
    if problems:
        raise DataError(f"data set {card.name}: {problems[0]}")
    return [(named[image], named[mask]) for image, mask in pairs]


def _groups(
    card: Card, listed: Sequence[store.Listed], names: Sequence[str]
) -> Optional[NDArray[np.int64]]:
    rule = None if card.pictures is None else card.pictures.groups
    if rule is None:
        return None
    everything = [_base(file.name) for file in listed if "/images/" in file.name]
    index = b""
    if rule.index:
        files = [file for file in listed if file.name == rule.index]
        if not files:
            raise DataError(f"data set {card.name}: the manifest doesn't list {rule.index}")
        index = store.read(card, files[0])
    numbered = groups.numbers(groups.of(everything, rule, index))
    return groups.as_array(names, numbered)


def _fitting(
    card: Card, file: store.Listed, found: NDArray[np.uint8], into: NDArray[np.uint8]
) -> NDArray[Any]:
    if found.shape != into.shape[1:]:
        raise DataError(
            f"data set {card.name}: {file.name} is of shape {list(found.shape)}, the card says "
            f"{list(into.shape[1:])}"
        )
    return found


def _base(name: str) -> str:
    return name.rpartition("/")[2]
