"""A comparison's folder: which cells are done, so that the same command goes on where it stopped.

    compare-NAME/
        cells/KEY.json      one for each cell that was tried: its run, or why it failed
        runs/ID/            what each run left
        twins/              trained twins, for the testbed that is started for the occasion
        report.html         written anew in the end, and after each cell that took long
        comparison.csv ...  written anew after each cell

A cell is done when its record says so and the result of its run is there and whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fedbed import __version__, installed
from fedbed.client import unwritable
from fedbed.comparison.plan import Cell
from fedbed.errors import NameTaken

FINISHED, FAILED = "finished", "failed"
_PACKAGES = ("flwr", "numpy", "torch")


@dataclass(frozen=True)
class Record:
    """What became of a cell. seconds: what it took, of which the twin may be another run's."""

    key: str
    variant: str
    seed: int
    state: str
    run: str
    seconds: float
    error: str = ""


class Store:
    """The folder of one comparison; made when something is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def runs(self) -> Path:
        """Where the runs' own folders lie."""
        return self.folder / "runs"

    @property
    def twins(self) -> Path:
        """Where twins are kept."""
        return self.folder / "twins"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the folder to this process; NameTaken while another compares in it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("a+")
        except OSError as error:
            raise unwritable(self.folder, error) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise NameTaken(
                    f"another `fedbed compare` works in '{self.folder}': wait for it, "
                    "or choose another place with --output"
                ) from error
            yield

    def record(self, cell: Cell) -> Record | None:
        """Return what became of a cell; None if it was never tried, or nobody can tell."""
        try:
            found = json.loads(self._path(cell).read_text(encoding="utf-8"))
            record = Record(**found)
        except (OSError, ValueError, TypeError):
            return None
        if record.state == FINISHED and not self.result(record):
            return None
        return record

    def finished(self, cell: Cell) -> Record | None:
        """Return what became of a cell whose run finished; None for any other."""
        record = self.record(cell)
        return record if record is not None and record.state == FINISHED else None

    def result(self, record: Record) -> dict[str, Any]:
        """Return the result of a cell's run; empty if there is none that is whole."""
        path = self.runs / record.run / "result.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        whole = isinstance(found, dict) and found.get("state") == FINISHED
        return found if whole else {}

    def keep(self, cell: Cell, state: str, run: str, seconds: float, error: str = "") -> None:
        """Write down what became of a cell; UsageError if it can't be written."""
        name, seed = cell.variant.name, cell.seed
        record = Record(cell.key, name, seed, state, run, round(seconds, 3), error)
        write(self._path(cell), json.dumps(asdict(record), indent=1) + "\n")

    def forget(self, cell: Cell) -> None:
        """Let a cell be run anew; what its run left stays where it is."""
        with contextlib.suppress(OSError):
            self._path(cell).unlink()

    def _path(self, cell: Cell) -> Path:
        return self.folder / "cells" / f"{cell.key}.json"


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all; UsageError if it can't be written."""
    part = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise unwritable(path.parent, error) from error


def ground(coordinator: str | None) -> str:
    """Name what a run's figures depend on besides its experiment: where, and by which versions.

    Another commit of the same version counts as the same, or no comparison could be continued
    while fedbed is worked on; the report names the commits.
    """
    versions = {name: installed.version(name) for name in _PACKAGES}
    return json.dumps({"fedbed": __version__, "where": coordinator or "here", **versions})
