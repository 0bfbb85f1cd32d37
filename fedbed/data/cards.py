"""Data set cards: what a data set is, where it comes from and what its bytes must be.

One YAML file per data set. In a checkout they lie in the top folder `datasets/`, in an installed
wheel in `fedbed/data/cards/`. A card is read strictly: unknown and missing keys are errors.

Keys: name, title, source, licence, classes (label i is `classes[i]`), shapes (of the images of
`train` and `test`: samples first), dtype, and kind, which says what else there is:
- `idx`: four IDX files under `files`, each with name, role, bytes, sha256 and urls (mirrors, in the
  order in which they are tried; an empty list where the file must be put there by hand);
- `npz`: one .npz file each for `train` and `test` under `files`, as above; it holds the arrays
  `images` (of the card's dtype) and `labels` (int64 [samples]);
- `generated`: `generator` with name, seed, train and test (samples), and the sha256 of its arrays.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Type

import yaml

from fedbed.errors import ExperimentError

ROLES = ("train_images", "train_labels", "test_images", "test_labels")
"""What the files of an `idx` card are; each card has each of them once."""

NPZ_ROLES = ("train", "test")
"""The same for an `npz` card."""

_FILE_ROLES = {"idx": ROLES, "npz": NPZ_ROLES}

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # becomes a path: no separators, no ".."
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class CardFile:
    """One file of a data set: `size` in bytes, `sha256` in hex, `urls` of its mirrors, if any."""

    name: str
    role: str
    size: int
    sha256: str
    urls: Tuple[str, ...]


@dataclass(frozen=True)
class Generator:
    """How a generated data set is made; `sha256` is that of its arrays (see `arrays_sha256`)."""

    name: str
    seed: int
    train: int
    test: int
    sha256: str


@dataclass(frozen=True)
class Card:
    """One data set. `files` is empty for a generated one; `generator` is None for the others."""

    name: str
    title: str
    kind: str
    source: str
    licence: str
    classes: Tuple[str, ...]
    shapes: Dict[str, Tuple[int, ...]]
    dtype: str
    files: Tuple[CardFile, ...] = ()
    generator: Optional[Generator] = None

    @property
    def size(self) -> int:
        """Bytes of the files; 0 for a generated data set."""
        return sum(file.size for file in self.files)

    def file(self, role: str) -> CardFile:
        """Return the file with this role (of ROLES or NPZ_ROLES); KeyError where there is none."""
        for file in self.files:
            if file.role == role:
                return file
        raise KeyError(role)


def cards_dir() -> Path:
    """Folder of the cards: the checkout's `datasets/`, else the copies inside the wheel."""
    top = Path(__file__).resolve().parents[2]
    # Without the second test, site-packages/datasets (Hugging Face's) would pass for a checkout.
    if (top / "datasets").is_dir() and (top / "pyproject.toml").is_file():
        return top / "datasets"
    return Path(__file__).resolve().parent / "cards"


def card_names() -> List[str]:
    """Names of all known data sets, sorted."""
    return sorted(path.stem for path in cards_dir().glob("*.yaml"))


def load_card(name: str) -> Card:
    """Read the card of data set `name`; ExperimentError if it is unknown or its card malformed."""
    known = card_names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ExperimentError(f"unknown data set {name!r}{hint} (known: {', '.join(known)})")
    path = cards_dir() / f"{name}.yaml"
    card = parse_card(path.read_text(encoding="utf-8"), f"datasets/{path.name}")
    if card.name != name:
        raise ExperimentError(f"datasets/{path.name}: name is {card.name!r}, expected {name!r}")
    return card


def parse_card(text: str, where: str) -> Card:
    """Read a card from YAML; `where` names it in errors (ExperimentError)."""
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ExperimentError(f"{where}: not valid YAML: {reason}") from error
    top = _Table(raw, where)
    kind = top.take("kind", str)
    if kind not in (*_FILE_ROLES, "generated"):
        raise ExperimentError(f"{where}: kind is {kind!r}, expected 'idx', 'npz' or 'generated'")
    shapes = _Table(top.take("shapes", dict), f"{where}: shapes")
    card = Card(
        name=top.safe_name("name"),
        title=top.take("title", str),
        kind=kind,
        source=top.take("source", str),
        licence=top.take("licence", str),
        classes=tuple(top.items("classes", str)),
        shapes={split: tuple(shapes.items(split, int)) for split in ("train", "test")},
        dtype=top.take("dtype", str),
        files=_files(top.items("files", dict), where, kind) if kind in _FILE_ROLES else (),
        generator=_generator(top.take("generator", dict), where) if kind == "generated" else None,
    )
    shapes.done()
    top.done()
    return card


def _files(raw: Sequence[Any], where: str, kind: str) -> Tuple[CardFile, ...]:
    files = []
    for number, entry in enumerate(raw, start=1):
        table = _Table(entry, f"{where}: files, entry {number}")
        file = CardFile(
            name=table.safe_name("name"),
            role=table.take("role", str),
            size=table.take("bytes", int),
            sha256=table.sha256(),
            urls=tuple(table.items("urls", str, may_be_empty=True)),
        )
        table.done()
        # urllib would open file:// and ftp:// as well.
        if not all(url.startswith(("https://", "http://")) for url in file.urls):
            raise ExperimentError(f"{table.where}: urls must begin with https:// or http://")
        files.append(file)
    roles = _FILE_ROLES[kind]
    if sorted(file.role for file in files) != sorted(roles):
        raise ExperimentError(f"{where}: files must have each of these roles once: {list(roles)}")
    return tuple(files)


def _generator(raw: object, where: str) -> Generator:
    table = _Table(raw, f"{where}: generator")
    generator = Generator(
        name=table.take("name", str),
        seed=table.take("seed", int),
        train=table.take("train", int),
        test=table.take("test", int),
        sha256=table.sha256(),
    )
    table.done()
    return generator


class _Table:
    """A mapping from YAML, taken apart key by key; what is left at the end is an error."""

    def __init__(self, raw: object, where: str) -> None:
        if not isinstance(raw, dict):
            raise ExperimentError(f"{where}: expected a mapping of keys to values")
        self.left: Dict[Any, Any] = dict(raw)
        self.known: List[str] = []
        self.where = where

    def take(self, key: str, kind: Type[Any]) -> Any:
        self.known.append(key)
        if key not in self.left:
            raise ExperimentError(f"{self.where}: the key {key!r} is missing")
        value = self.left.pop(key)
        self._expect(key, value, kind)
        return value

    def items(self, key: str, kind: Type[Any], may_be_empty: bool = False) -> List[Any]:
        values: List[Any] = self.take(key, list)
        if not values and not may_be_empty:
            raise ExperimentError(f"{self.where}: {key} is empty")
        for value in values:
            self._expect(f"{key} (each entry)", value, kind)
        return values

    def safe_name(self, key: str) -> str:
        value: str = self.take(key, str)
        if not _SAFE_NAME.fullmatch(value):
            raise ExperimentError(f"{self.where}: {key} {value!r} can't be a file's name")
        return value

    def sha256(self) -> str:
        value: str = self.take("sha256", str)
        if not _SHA256.fullmatch(value):
            raise ExperimentError(f"{self.where}: sha256 {value!r} is not 64 lower-case hex digits")
        return value

    def done(self) -> None:
        for key in self.left:
            close = difflib.get_close_matches(str(key), self.known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            allowed = ", ".join(self.known)
            raise ExperimentError(f"{self.where}: unknown key {key!r}{hint} (allowed: {allowed})")

    def _expect(self, key: str, value: object, kind: Type[Any]) -> None:
        wrong = not isinstance(value, kind) or isinstance(value, bool)
        if wrong or (kind is int and isinstance(value, int) and value < 0):
            wanted = {str: "a text", int: "a whole number, 0 or more", list: "a list"}
            raise ExperimentError(
                f"{self.where}: {key} is {value!r}, expected {wanted.get(kind, 'a mapping')}"
            )
