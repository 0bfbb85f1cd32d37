"""Looks a folder of the user's through: images and masks in pairs, each fit to learn from.

Everything is looked at before anything is made of it, and every problem is a line of its own that
names the file, what is wrong with it and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from fedbed.data import groups, pixels
from fedbed.data.cards import GroupRule
from fedbed.data.dataset import Split
from fedbed.data.pictures import paired
from fedbed.errors import DataError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pair = Tuple[str, str]

MAX_BYTES = 2 << 30
"""Of all arrays together: a data set is held in memory."""
_IGNORED = (".DS_Store", "Thumbs.db")
_MOST_VALUES = 5


@dataclass
class Found:
    """What a folder holds. `problems` are lines; the rest is worth reading where there are none.

    test is None where the folder has one part only. group_of: each image's group by its file name,
    empty without a rule.
    """

    train: List[Pair] = field(default_factory=list)
    test: Optional[List[Pair]] = None
    group_of: Dict[str, str] = field(default_factory=dict)
    problems: List[str] = field(default_factory=list)


def scan(folder: Path, rule: Optional[GroupRule] = None) -> Found:
    """Find the pairs in `images/` and `masks/`, or in these two of both `train/` and `test/`.

    Opens no picture. Raises UsageError where the folder has no such folders.
    """
    found = Found()
    parts = [part for part in ("train", "test") if (folder / part).is_dir()]
    if len(parts) == 1:
        lacks = "test" if parts == ["train"] else "train"
        raise UsageError(
            f"{folder} has {parts[0]}/ but no {lacks}/: make it, or put images/ and masks/ right "
            "into the folder and let fedbed choose"
        )
    found.train = _pairs(folder, parts[0] + "/" if parts else "", found.problems)
    if parts:
        found.test = _pairs(folder, "test/", found.problems)
    names = [_base(image) for image, _ in found.train + (found.test or [])]
    if rule is not None and names:
        try:
            index = (folder / rule.index).read_bytes() if rule.index else b""
            found.group_of = groups.of(names, rule, index)
        except OSError as error:
            found.problems.append(f"{rule.index}: can't be read ({error.strerror or error})")
        except DataError as error:
            found.problems.append(str(error))
    return found


def read(
    folder: Path,
    pairs: Sequence[Pair],
    classes: Sequence[str],
    problems: List[str],
    progress: Callable[[], None] = lambda: None,
) -> Split:
    """Read the pairs; appends to `problems` what is wrong with any of them.

    Returns the samples that were fine. `progress` is called after each pair.
    """
    images: List[NDArray[np.uint8]] = []
    masks: List[NDArray[np.uint8]] = []
    first = ""
    for image_name, mask_name in pairs:
        progress()
        image = _picture(folder, image_name, pixels.image, problems)
        mask = _picture(folder, mask_name, pixels.mask, problems)
        if image is None or mask is None:
            continue
        wrong = _mismatch(image, mask, image_name, mask_name, len(classes))
        if not wrong and images and image.shape != images[0].shape:
            wrong = (
                f"{image_name}: has {_extent(image)} pixels, but {first} has "
                f"{_extent(images[0])}: cut all pictures to one size"
            )
        if not wrong and images and images[0].size * len(pairs) * 4 // 3 > MAX_BYTES:
            problems.append(
                f"{len(pairs)} pictures of {_extent(images[0])} pixels take more than "
                f"{MAX_BYTES >> 30} GiB of memory: scale them down first, or take fewer"
            )
            break
        if wrong:
            problems.append(wrong)
            continue
        first = first or image_name
        images.append(image)
        masks.append(mask)
    if not images:
        return Split(np.zeros((0, 1, 1, 3), np.uint8), np.zeros((0, 1, 1), np.uint8))
    return Split(np.stack(images), np.stack(masks))


def held_out(names: Sequence[str], group_of: Dict[str, str], share: float, seed: int) -> List[bool]:
    """Choose whole groups at random for the test until they have `share` of the samples.

    names: of the images; one without a group is its own. Returns whether each is for the test.
    Raises UsageError where there are not two groups, one for each side.
    """
    keys = [group_of.get(name, name) for name in names]
    order = sorted(set(keys))
    if len(order) < 2:
        what = "one group" if group_of else "one picture"
        raise UsageError(f"there is only {what}: nothing to divide into train and test")
    shuffled = [order[i] for i in np.random.RandomState(seed).permutation(len(order))]
    chosen: List[str] = []
    count = 0
    for key in shuffled[:-1]:
        if chosen and count >= share * len(names):
            break
        chosen.append(key)
        count += keys.count(key)
    return [key in set(chosen) for key in keys]


def _pairs(folder: Path, part: str, problems: List[str]) -> List[Pair]:
    images = _files(folder, f"{part}images", pixels.SUFFIXES, problems)
    masks = _files(folder, f"{part}masks", pixels.MASK_SUFFIXES, problems)
    pairs, wrong = paired(images, masks)
    problems += wrong
    if not images and not masks:
        problems.append(f"{part}images: holds no pictures")
    return pairs


def _files(folder: Path, part: str, suffixes: Sequence[str], problems: List[str]) -> List[str]:
    place = folder / part
    if not place.is_dir():
        raise UsageError(
            f"{folder} has no folder {part}/: images lie in images/, their masks, of the same "
            "name, in masks/; or both in train/ and in test/"
        )
    names = []
    for path in sorted(place.iterdir()):
        if path.name in _IGNORED:
            continue
        if path.is_file() and path.suffix.lower() in suffixes:
            names.append(f"{part}/{path.name}")
        else:
            kinds = ", ".join(suffixes)
            problems.append(f"{part}/{path.name}: is no file of {kinds}: take it out")
    return names


def _picture(
    folder: Path,
    name: str,
    decode: Callable[[bytes, str], NDArray[np.uint8]],
    problems: List[str],
) -> Optional[NDArray[np.uint8]]:
    try:
        with (folder / name).open("rb") as file:
            return decode(file.read(pixels.MAX_FILE_BYTES + 1), name)
    except OSError as error:
        problems.append(f"{name}: can't be read ({error.strerror or error})")
    except DataError as error:
        problems.append(str(error))
    return None


def _mismatch(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], image_name: str, mask_name: str, classes: int
) -> str:
    if image.shape[:2] != mask.shape:
        return (
            f"{mask_name}: has {_extent(mask)} pixels, its image {image_name} {_extent(image)}: "
            "both must be of one size"
        )
    foreign = [int(value) for value in np.unique(mask) if value >= classes]
    if not foreign:
        return ""
    where = np.argwhere(mask == foreign[0])[0]
    values = ", ".join(str(value) for value in foreign[:_MOST_VALUES])
    more = ", ..." if len(foreign) > _MOST_VALUES else ""
    return (
        f"{mask_name}: holds the value {values}{more} (the first at row {where[0]}, column "
        f"{where[1]}), but the classes are 0 to {classes - 1}: name them all with --classes, or "
        "number the masks anew"
    )


def _extent(picture: NDArray[np.uint8]) -> str:
    return f"{picture.shape[0]}x{picture.shape[1]}"


def _base(name: str) -> str:
    return name.rpartition("/")[2]
