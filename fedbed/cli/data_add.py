"""`fedbed data add`: a folder of the user's with images and masks becomes a data set.

Nothing heavy is imported before the command runs: see `fedbed.cli.data`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional, Tuple

from fedbed.cli.parser import count
from fedbed.errors import RequirementMissing, UsageError
from fedbed.units import format_count

if TYPE_CHECKING:
    from fedbed.data import Split
    from fedbed.data.cards import GroupRule

_MOST_PROBLEMS = 20


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of `fedbed data`."""
    parser = commands.add_parser(
        "add",
        help="make a data set of your own folder with images and masks",
        description="Check a folder with images/ and masks/ (or train/ and test/ with both in "
        "each), and make a data set of it in the data folder. An image and its mask have the same "
        "name; a mask has one channel, in which each pixel is the number of its class, from 0.",
        epilog="examples:\n"
        "  fedbed data add photos --name roofs --classes other,roof\n"
        "  fedbed data add photos --name roofs --classes other,roof --groups-from list.csv:town\n"
        "  fedbed data add photos --name roofs --classes other,roof --groups-pattern '([^_]+)_'",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="where images and masks lie")
    parser.add_argument("--name", required=True, help="what experiments will call the data set")
    parser.add_argument(
        "--classes", required=True, metavar="A,B,...", help="names of the values 0, 1, ... in masks"
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--groups-from",
        metavar="FILE.csv:COLUMN",
        help="what belongs together (a scene, a site), by a CSV file in FOLDER: its column `file` "
        "holds the images' names, COLUMN their groups",
    )
    group.add_argument(
        "--groups-pattern",
        metavar="REGEX",
        help="the same by the images' names: what the first parentheses match",
    )
    parser.add_argument(
        "--test-percent",
        type=_percent,
        default=20,
        metavar="N",
        help="without train/ and test/: so much becomes the test set, by whole groups; default: 20",
    )
    parser.add_argument(
        "--seed", type=_seed, default=1, metavar="S", help="of that choice (default: 1)"
    )
    parser.add_argument(
        "--absent",
        action="append",
        default=[],
        metavar="CLASS",
        help="a class that no training mask holds, and that is no mistake (may be repeated)",
    )
    parser.add_argument("--title", default="", help="a line that says what it is")
    parser.add_argument("--licence", default="", help="under which it may be used")
    parser.set_defaults(func=_add)


def _add(args: argparse.Namespace) -> int:
    try:
        from fedbed.data import load, own
    except ModuleNotFoundError as error:
        raise RequirementMissing(
            f"data sets need the package {error.name}: pip install 'fedbed[train]'"
        ) from error
    if not args.folder.is_dir():
        raise UsageError(f"there is no folder '{args.folder}'")
    wish = own.Wish(
        name=args.name,
        classes=tuple(part.strip() for part in args.classes.split(",")),
        title=args.title,
        licence=args.licence,
        groups=_rule(args.groups_from, args.groups_pattern),
        test_share=args.test_percent / 100,
        seed=args.seed,
        absent=tuple(args.absent),
    )
    shown = _Counter(sys.stderr.isatty())
    try:
        target = own.add(args.folder, wish, shown)
    except own.Unfit as error:
        shown.clear()
        if len(error.problems) > 1:
            _tell(error.problems)
        raise
    shown.clear()
    made = load(args.name)
    print(f"{args.name} is in {target}")
    for part, split in (("train", made.train), ("test", made.test)):
        print(f"  {part:<6} {_summary(split, made.classes)}")
    shared = _shared(made.train, made.test)
    if shared:
        both = format_count(shared, "group")
        print(f"  note   in train and in test: {both}; the test will flatter")
    print(f"Next: name it in an experiment (data.dataset: {args.name}), or look at it with")
    print(f"  fedbed data draw {args.name} -o {args.name}.png")
    return 0


def _rule(index: Optional[str], pattern: Optional[str]) -> Optional[GroupRule]:
    from fedbed.data.cards import GroupRule

    if pattern is not None:
        return GroupRule(pattern=pattern)
    if index is None:
        return None
    file, colon, column = index.rpartition(":")
    if not colon or not file or not column or "/" in file or file == "..":
        raise UsageError(
            f"--groups-from {index}: give a CSV file that lies in the folder, and its column: "
            "FILE.csv:COLUMN"
        )
    return GroupRule(index=file, column=column)


def _tell(problems: List[str]) -> None:
    for line in problems[:_MOST_PROBLEMS]:
        print(line, file=sys.stderr)
    if len(problems) > _MOST_PROBLEMS:
        print(f"... and {len(problems) - _MOST_PROBLEMS} more", file=sys.stderr)


def _summary(split: Split, classes: Tuple[str, ...]) -> str:
    """One line: how many samples, of what size, in how many groups, with which shares."""
    import numpy as np

    pixels = np.bincount(split.y.ravel(), minlength=len(classes))
    shares = ", ".join(
        f"{name} {100 * int(n) / split.y.size:.1f} %" for name, n in zip(classes, pixels)
    )
    height, width = split.x.shape[1:3]
    known = 0 if split.groups is None else len(np.unique(split.groups))
    groups = f" in {format_count(known, 'group')}" if known else ""
    return f"{format_count(len(split), 'sample')} of {height}x{width}{groups}: {shares}"


def _shared(train: Split, test: Split) -> int:
    if train.groups is None or test.groups is None:
        return 0
    return len(set(train.groups.tolist()) & set(test.groups.tolist()))


class _Counter:
    """Counts pairs on a terminal, in one line that goes away."""

    def __init__(self, tty: bool) -> None:
        self._tty = tty
        self._done = 0

    def __call__(self) -> None:
        self._done += 1
        if self._tty:
            print(f"\r{self._done} pairs read", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Leave the terminal as it was."""
        if self._tty:
            print("\r" + " " * 30 + "\r", end="", file=sys.stderr, flush=True)


def _percent(text: str) -> int:
    value = count(text)
    if value > 90:
        raise argparse.ArgumentTypeError(f"given '{text}', allowed: 1 to 90")
    return value


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"given '{text}', allowed: 0 to {2**32 - 1}")
    return int(text)
