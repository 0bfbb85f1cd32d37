"""Data set cards: what a data set is, where it comes from and what its bytes must be.

One YAML file per data set. In a checkout they lie in the top folder `datasets/`, in an installed
wheel in `fedbed/data/cards/`; those of the user's own data sets lie beside their files, as
`<data folder>/<name>/card.yaml` (`fedbed data add` writes them). A card is read strictly: unknown
and missing keys are errors.

Keys: name, title, source, licence, classes (label i, or a mask's value i, is `classes[i]`),
shapes (of the images of `train` and `test`: samples first), dtype, and kind, which says what else
there is:
- `idx`: four IDX files under `files`, each with name, role, bytes, sha256 and urls (mirrors, in the
  order in which they are tried; an empty list where the file must be put there by hand);
- `npz`: one .npz file each for `train` and `test` under `files`, as above; it holds the arrays
  `images` (of the card's dtype), `labels` (int64 [samples]) or, with `targets: masks`, `masks`
  (uint8 [samples, height, width]), and with `grouped: true` also `groups` (int64 [samples]);
- `generated`: `generator` with name, seed, train and test (samples), and the sha256 of its arrays;
- `pictures`: images and masks as picture files, `<split>/images/*` and `<split>/masks/*`, a pair by
  their names. `pictures` has manifest (a file in the manner of sha256sum that lists them all), its
  own sha256, bytes (of pictures and index together) and, if samples belong together, groups (see
  `fedbed.data.groups`: `index` and `column`, or `pattern`).

Keys that may be left out: targets (`labels` unless it says `masks`), grouped (`false`), and absent
(classes that no training sample holds, and that is no mistake).
"""

from __future__ import annotations

import contextlib
import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import yaml

from fedbed.data.table import SAFE_NAME, Table
from fedbed.errors import DataError, ExperimentError
from fedbed.places import data_dir

ROLES = ("train_images", "train_labels", "test_images", "test_labels")
"""What the files of an `idx` card are; each card has each of them once."""

NPZ_ROLES = ("train", "test")
"""The same for an `npz` card."""

TARGETS = ("labels", "masks")
"""What a sample's answer may be: one class for it all, or one for each pixel."""

OWN_CARD = "card.yaml"
"""Name of the card that lies beside the files of a user's own data set."""

_FILE_ROLES = {"idx": ROLES, "npz": NPZ_ROLES}
_KINDS = (*_FILE_ROLES, "generated", "pictures")


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
class GroupRule:
    """What says which samples belong together: see `fedbed.data.groups`."""

    index: str = ""
    column: str = ""
    pattern: str = ""


@dataclass(frozen=True)
class Pictures:
    """Where the pictures of a data set are listed; `size` is that of all, in bytes."""

    manifest: str
    sha256: str
    size: int
    groups: Optional[GroupRule] = None


@dataclass(frozen=True)
class Card:
    """One data set; which of `files`, `generator` and `pictures` is set depends on `kind`.

    targets: `labels` or `masks`. grouped: whether samples know their group. absent: classes that
    no training sample holds. where: what the card is called in messages.
    """

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
    pictures: Optional[Pictures] = None
    targets: str = "labels"
    grouped: bool = False
    absent: Tuple[str, ...] = ()
    where: str = ""

    @property
    def size(self) -> int:
        """Bytes of the files; 0 for a generated data set."""
        listed = 0 if self.pictures is None else self.pictures.size
        return listed + sum(file.size for file in self.files)

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


def shipped_names() -> List[str]:
    """Names of the data sets whose cards come with fedbed, sorted."""
    return sorted(path.stem for path in cards_dir().glob("*.yaml"))


def card_names() -> List[str]:
    """Names of all known data sets: those that come with fedbed, then the user's, both sorted."""
    shipped = shipped_names()
    return shipped + [name for name in _own_names() if name not in shipped]


def own_card(name: str) -> Path:
    """File of the card that a data set of the user's own has, or would have."""
    return data_dir() / name / OWN_CARD


def load_card(name: str) -> Card:
    """Read the card of data set `name`; ExperimentError if it is unknown or its card malformed."""
    known = card_names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ExperimentError(f"unknown data set {name!r}{hint} (known: {', '.join(known)})")
    path = cards_dir() / f"{name}.yaml"
    where = f"datasets/{path.name}"
    if not path.is_file():
        path = own_card(name)
        where = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ExperimentError(f"{where}: can't be read as text ({error})") from error
    card = parse_card(text, where)
    if card.name != name:
        raise ExperimentError(f"{where}: name is {card.name!r}, expected {name!r}")
    return card


def readable_cards() -> List[Card]:
    """All cards, those of the user's that are malformed left out: for suggestions."""
    cards = []
    for name in card_names():
        with contextlib.suppress(ExperimentError):
            cards.append(load_card(name))
    return cards


def _own_names() -> List[str]:
    try:
        found = [path.parent.name for path in data_dir().glob(f"*/{OWN_CARD}")]
    except (DataError, OSError):  # no home folder, or one that can't be looked into
        return []
    return sorted(name for name in found if SAFE_NAME.fullmatch(name))


def parse_card(text: str, where: str) -> Card:
    """Read a card from YAML; `where` names it in errors (ExperimentError)."""
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ExperimentError(f"{where}: not valid YAML: {reason}") from error
    top = Table(raw, where)
    kind = top.take("kind", str)
    if kind not in _KINDS:
        kinds = ", ".join(repr(kind) for kind in _KINDS[:-1])
        raise ExperimentError(f"{where}: kind is {kind!r}, expected {kinds} or {_KINDS[-1]!r}")
    shapes = Table(top.take("shapes", dict), f"{where}: shapes")
    pictures = _pictures(top.take("pictures", dict), where) if kind == "pictures" else None
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
        pictures=pictures,
        targets=_targets(top, kind),
        grouped=bool(pictures.groups) if pictures else top.option("grouped", bool, False),
        absent=tuple(top.items("absent", str)) if "absent" in top.left else (),
        where=where,
    )
    shapes.done()
    top.done()
    for name in card.absent:
        if name not in card.classes:
            raise ExperimentError(f"{where}: absent names {name!r}, which is none of the classes")
    return card


def _targets(top: Table, kind: str) -> str:
    if kind == "pictures":
        return "masks"
    found: str = top.option("targets", str, "labels")
    if found not in TARGETS:
        raise ExperimentError(f"{top.where}: targets is {found!r}, expected 'labels' or 'masks'")
    return found


def _pictures(raw: object, where: str) -> Pictures:
    table = Table(raw, f"{where}: pictures")
    groups = table.option("groups", dict, None)
    found = Pictures(
        manifest=table.safe_name("manifest"),
        sha256=table.sha256(),
        size=table.take("bytes", int),
        groups=None if groups is None else _group_rule(groups, table.where),
    )
    table.done()
    return found


def _group_rule(raw: object, where: str) -> GroupRule:
    table = Table(raw, f"{where}: groups")
    if "pattern" in table.left:
        rule = GroupRule(pattern=table.take("pattern", str))
    else:
        rule = GroupRule(index=table.safe_name("index"), column=table.take("column", str))
    table.done()
    return rule


def _files(raw: Sequence[Any], where: str, kind: str) -> Tuple[CardFile, ...]:
    files = []
    for number, entry in enumerate(raw, start=1):
        table = Table(entry, f"{where}: files, entry {number}")
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
    table = Table(raw, f"{where}: generator")
    generator = Generator(
        name=table.take("name", str),
        seed=table.take("seed", int),
        train=table.take("train", int),
        test=table.take("test", int),
        sha256=table.sha256(),
    )
    table.done()
    return generator
