"""Makes data sets of the user's own: checked arrays in two .npz files, with a card beside them.

The pictures themselves are not kept: nodes then need no reader of pictures, and load in a moment.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
import yaml

from fedbed.data import folder as folders
from fedbed.data import groups
from fedbed.data.cards import OWN_CARD, GroupRule, own_card, shipped_names
from fedbed.data.dataset import Split
from fedbed.data.table import SAFE_NAME
from fedbed.errors import DataError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_CLASSES = 255
_RESERVED = "auto"


@dataclass(frozen=True)
class Wish:
    """What to make of a folder; `absent`: classes that the training may lack.

    test_share and seed count where the folder has no `train/` and `test/`.
    """

    name: str
    classes: Tuple[str, ...]
    title: str = ""
    licence: str = ""
    groups: Optional[GroupRule] = None
    test_share: float = 0.2
    seed: int = 1
    absent: Tuple[str, ...] = ()


class Unfit(DataError):
    """A folder that no data set can be made of; `problems` has a line for each reason."""

    def __init__(self, folder: Path, problems: Sequence[str]) -> None:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        first = f": {problems[0]}" if len(problems) == 1 else ""
        super().__init__(f"{folder} has {count}, nothing was added{first}")
        self.problems = list(problems)


def add(folder: Path, wish: Wish, progress: Callable[[], None] = lambda: None) -> Path:
    """Check everything in `folder` and make a data set of it; returns its folder.

    `progress` is called for each pair that has been read. Raises UsageError for a name or classes
    that can't be, Unfit with every problem of the pictures, DataError where nothing can be written.
    """
    _check(wish)
    found = folders.scan(folder, wish.groups)
    pairs = found.train + (found.test or [])
    problems = list(found.problems)
    whole = folders.read(folder, pairs, wish.classes, problems, progress)
    if not problems:
        names = [image.rpartition("/")[2] for image, _ in pairs]
        test = _in_test(found, names, wish)
        numbers: Optional[NDArray[np.int64]] = None
        if wish.groups is not None:
            numbers = groups.as_array(names, groups.numbers(found.group_of))
        whole = Split(whole.x, whole.y, numbers)
        train, rest = whole.take(np.flatnonzero(~test)), whole.take(np.flatnonzero(test))
        problems = _unheld(train, wish)
    if problems:
        raise Unfit(folder, problems)
    return _write(folder, wish, train, rest)


def _check(wish: Wish) -> None:
    if not SAFE_NAME.fullmatch(wish.name):
        raise UsageError(
            f"--name {wish.name!r} can't be a folder's name: use letters, digits, '.', '_' and '-'"
        )
    if wish.name in shipped_names() or wish.name == _RESERVED:
        raise UsageError(f"--name {wish.name}: fedbed has a data set of that name: take another")
    if own_card(wish.name).parent.exists():
        raise UsageError(
            f"--name {wish.name}: {own_card(wish.name).parent} is there already: take another "
            "name, or remove that folder"
        )
    if not 2 <= len(wish.classes) <= MAX_CLASSES or not all(wish.classes):
        raise UsageError(f"--classes: give 2 to {MAX_CLASSES} names, the one of value 0 first")
    twice = [name for name in wish.classes if wish.classes.count(name) > 1]
    if twice:
        raise UsageError(f"--classes names {twice[0]!r} twice")
    for name in wish.absent:
        if name not in wish.classes:
            raise UsageError(f"--absent {name!r} is none of the classes")


def _in_test(found: folders.Found, names: Sequence[str], wish: Wish) -> NDArray[np.bool_]:
    if found.test is not None:
        return np.arange(len(names)) >= len(found.train)
    return np.array(folders.held_out(names, found.group_of, wish.test_share, wish.seed))


def _unheld(train: Split, wish: Wish) -> List[str]:
    """Nobody can learn a class that no training mask holds."""
    held = np.bincount(train.y.ravel(), minlength=len(wish.classes)) > 0
    return [
        f"class {name!r} (value {value}) is in none of the {len(train)} training masks: add "
        f"pictures of it, or say --absent {name}"
        for value, name in enumerate(wish.classes)
        if not held[value] and name not in wish.absent
    ]


def _write(folder: Path, wish: Wish, train: Split, test: Split) -> Path:
    target = own_card(wish.name).parent
    part = target.with_name(f".{wish.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        try:
            files = [_save(part, role, split) for role, split in (("train", train), ("test", test))]
            text = _card(folder, wish, train, test, files)
            (part / OWN_CARD).write_text(text, encoding="utf-8")
            part.replace(target)
        finally:
            if part.exists():
                shutil.rmtree(part)
    except OSError as error:
        raise DataError(
            f"can't write to {target.parent} ({error.strerror or error}): set FEDBED_DATA to a "
            "folder with room that you may write to"
        ) from error
    return target


def _save(folder: Path, role: str, split: Split) -> Dict[str, Any]:
    arrays: Dict[str, NDArray[Any]] = {"images": split.x, "masks": split.y}
    if split.groups is not None:
        arrays["groups"] = split.groups
    path = folder / f"{role}.npz"
    with path.open("wb") as out:
        np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
        out.flush()
        os.fsync(out.fileno())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    size = path.stat().st_size
    return {"name": path.name, "role": role, "bytes": size, "sha256": digest, "urls": []}


def _card(folder: Path, wish: Wish, train: Split, test: Split, files: List[Dict[str, Any]]) -> str:
    card: Dict[str, Any] = {
        "name": wish.name,
        "title": wish.title or f"{wish.name}, a data set of your own",
        "kind": "npz",
        "source": f"folder {folder.resolve().name}, added by `fedbed data add`",
        "licence": wish.licence or "not stated",
        "classes": list(wish.classes),
        "shapes": {"train": list(train.x.shape), "test": list(test.x.shape)},
        "dtype": "uint8",
        "targets": "masks",
        "grouped": train.groups is not None,
        "files": files,
    }
    if wish.absent:
        card["absent"] = list(wish.absent)
    head = "# A data set card, written by `fedbed data add`; docs/data.md says what it is for.\n"
    return head + yaml.safe_dump(card, sort_keys=False, allow_unicode=True)
