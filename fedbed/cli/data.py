"""`fedbed data list | fetch | check | add | draw`: the data sets, their download and their health.

Imports of `fedbed.data` happen inside the commands: they need numpy and PyYAML, which the agent's
base install lacks and `fedbed --help` has no use for.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List

from fedbed.cli import data_add, data_draw
from fedbed.errors import DataError, ExperimentError, RequirementMissing

if TYPE_CHECKING:
    from fedbed.data import Card, FileStatus

_MOST_FILES = 10
"""Of one data set, that are named one by one."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `data` and its commands; each sets `func(args) -> exit code`."""
    data = subparsers.add_parser("data", help="list, fetch, check, add and draw data sets")
    commands = data.add_subparsers(dest="data_command", metavar="COMMAND", required=True)

    listing = commands.add_parser("list", help="show all data sets and whether they are here")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(func=_list)

    fetching = commands.add_parser("fetch", help="download a data set, with checksums")
    fetching.add_argument("name", help="data set, as `fedbed data list` names it")
    fetching.add_argument(
        "--timeout-s",
        type=_seconds,
        default=20.0,
        metavar="SECONDS",
        help="give a mirror up after so long without a byte (default: 20)",
    )
    fetching.set_defaults(func=_fetch)

    checking = commands.add_parser("check", help="compare data sets with their checksums")
    checking.add_argument("name", nargs="?", help="data set (default: all)")
    checking.add_argument("--json", action="store_true", help="print JSON")
    checking.set_defaults(func=_check)

    data_add.register(commands)
    data_draw.register(commands)


def _list(args: argparse.Namespace) -> int:
    data = _data()
    rows = [_row(data, name) for name in data.card_names()]
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        size = _size(row["bytes"]) if row["bytes"] else "no download"
        print(f"{row['name']}: {row['title']}")
        print(f"  status   {row['status']}")
        print(f"  size     {size}")
        print(f"  learn    {row['learn']}")
        print(f"  where    {row['where'] or 'drawn when needed, kept in the cache'}")
        print(f"  licence  {row['licence']}")
    return 0


def _row(data: Any, name: str) -> Dict[str, Any]:
    """One data set of the listing; a card of the user's that can't be read is told, not fatal."""
    try:
        card = data.load_card(name)
    except ExperimentError as error:
        where = str(data.data_dir() / name)
        return {"name": name, "title": "", "licence": "", "bytes": 0, "learn": "", "where": where,
                "status": f"card unusable: {error}"}  # fmt: skip
    return {
        "name": card.name,
        "title": card.title,
        "licence": card.licence,
        "bytes": card.size,
        "learn": f"{card.targets}, {len(card.classes)} classes, {_samples(card)}",
        "where": None if card.generator else str(data.data_dir() / name),
        "status": "generated" if card.generator else _summary(data.status(card)),
    }


def _samples(card: Card) -> str:
    train, test = card.shapes["train"], card.shapes["test"]
    extent = "x".join(str(side) for side in train[1:])
    groups = ", in groups" if card.grouped else ""
    return f"{train[0]} + {test[0]} samples of {extent}{groups}"


def _fetch(args: argparse.Namespace) -> int:
    data = _data()
    card = data.load_card(args.name)
    if card.generator:
        print(f"{card.name} is drawn when needed: nothing to fetch")
        return 0
    fetched = data.fetch(card, _Progress(sys.stdout.isatty()), args.timeout_s)
    where, count = data.data_dir() / card.name, len(data.status(card))
    print(f"{card.name}: {len(fetched)} files fetched, all {count} intact in {where}")
    return 0


def _check(args: argparse.Namespace) -> int:
    data = _data()
    cards: List[Card] = [
        data.load_card(name) for name in ([args.name] if args.name else data.card_names())
    ]
    found: Dict[str, List[FileStatus]] = {card.name: data.verify(card) for card in cards}
    intact = all(one.state == "present" for states in found.values() for one in states)
    if args.json:
        report = {
            name: [
                {
                    "file": s.name,
                    "state": s.state,
                    "path": s.path and str(s.path),
                    "problem": s.problem,
                }
                for s in states
            ]
            for name, states in found.items()
        }
        print(json.dumps({"ok": intact, "data_sets": report}, indent=2))
        return 0 if intact else DataError.exit_code
    for card in cards:
        states = found[card.name]
        print("\n".join(_told(card, states)))
        if not card.generator and any(state.problem for state in states):
            print(f"to mend it, {_cure(card, states)}")
    return 0 if intact else DataError.exit_code


def _cure(card: Card, states: List[FileStatus]) -> str:
    """Say what brings the broken files: a download, where a mirror has them all."""
    broken = sorted(state.name for state in states if state.problem)
    if not card.pictures and all(file.urls for file in card.files if file.name in broken):
        return f"run: fedbed data fetch {card.name}"
    more = f" and {len(broken) - _MOST_FILES} more" if len(broken) > _MOST_FILES else ""
    named = ", ".join(broken[:_MOST_FILES]) + more
    return f"put {named} by hand into {_data().data_dir() / card.name}"


def _told(card: Card, states: List[FileStatus]) -> List[str]:
    """A line for each file; of many files, for the first of those with a problem, and a count."""
    broken = [state for state in states if state.problem]
    many = len(states) > _MOST_FILES
    shown = broken[:_MOST_FILES] if many else states
    lines = [f"{card.name}/{state.name}: {state.problem or 'OK'}" for state in shown]
    if many:
        lines.append(f"{card.name}: {len(states) - len(broken)} of {len(states)} files OK")
    return lines


class _Progress:
    """Shows a download: one line rewritten in place on a terminal, else a line per finished file.

    `clock` gives seconds that never run backwards (boards have no reliable wall clock).
    """

    def __init__(self, tty: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._tty = tty
        self._clock = clock
        self._file = ""
        self._began = 0.0
        self._before = 0  # what had arrived at the first report: not part of the measured speed
        self._shown = 0.0

    def __call__(self, done: int, total: int, name: str) -> None:
        now = self._clock()
        if name != self._file or done < self._before:
            self._file, self._began, self._before, self._shown = name, now, done, 0.0
        if not self._tty:
            if done == total:
                print(f"{name}: {_size(total)} received", flush=True)
            return
        if done < total and now - self._shown < 0.1:
            return
        self._shown = now
        speed = (done - self._before) / (now - self._began) if now > self._began else 0.0
        left = f", {(total - done) / speed:.0f} s left" if speed > 0 and done < total else ""
        text = f"{name}: {_size(done)} of {_size(total)}{left}"
        print(f"\r{text:<78}", end="\n" if done == total else "", flush=True)


def _summary(states: List[FileStatus]) -> str:
    for bad in ("corrupt", "missing"):
        count = sum(state.state == bad for state in states)
        if count:
            return f"{bad} ({count} of {len(states)} files)"
    return "present"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


def _data() -> Any:
    try:
        import fedbed.data
    except ModuleNotFoundError as error:
        raise RequirementMissing(
            f"data sets need the package {error.name}: pip install 'fedbed[train]'"
        ) from error
    return fedbed.data
