"""The samples that lie on the node."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence

from edge_agent.doctor.check import Check, Group
from edge_agent.doctor.setup import Setup
from fedbed.errors import DataError
from fedbed.link.health import Finding
from fedbed.places import data_dir

DATA = Check(
    "data",
    warns="the data folder that FEDBED_DATA names isn't there",
    fails="the planned task's data set isn't there, or the file of --data can't be read",
    why="with `delivery: shared` every node takes its samples out of a copy of its own",
    mend="fedbed data fetch NAME   # on another machine, then copy the folder to the node",
)


@dataclass(frozen=True)
class DataReading:
    """folder: where data sets lie. sets: those that are there. own: the file of --data, and what
    is wrong with it."""

    folder: Path
    chosen: bool
    sets: Optional[Sequence[str]]
    own: Optional[Path] = None
    own_error: str = ""


def judge_data(reading: DataReading, needed: str) -> Finding:
    """Conclude on the samples; needed: the data set that must be there, empty if none must."""
    if reading.own is not None and reading.own_error:
        mend = "give --data an .npz file that the agent's user can read"
        return DATA.fail(f"--data '{reading.own}' {reading.own_error}", mend)
    sets = reading.sets or ()
    if needed and needed not in sets:
        mend = f"fedbed data fetch {needed}   # elsewhere, then copy it to {reading.folder}"
        return DATA.fail(f"{needed} is not in {reading.folder}", mend)
    if reading.sets is None and reading.chosen:
        return DATA.warn(f"{reading.folder} is not there", f"mkdir -p {reading.folder}")
    own = [f"samples of its own in {reading.own}"] if reading.own is not None else []
    there = [f"{', '.join(sets)} in {reading.folder}"] if sets else []
    if not own and not there:
        return DATA.skipped("no data set on this node: samples have to be shipped to it")
    return DATA.ok("; ".join(own + there))


def read(setup: Setup, folder: Path, chosen: bool) -> DataReading:
    """Look which data sets there are, and whether the node's own samples can be read."""
    sets: Optional[List[str]] = None
    if folder.is_dir():
        sets = sorted(f.name for f in folder.iterdir() if f.is_dir() and any(f.iterdir()))
    error = ""
    if setup.data_path is not None:
        try:
            with setup.data_path.open("rb") as f:
                error = "" if f.read(4) == b"PK\x03\x04" else "is no .npz file"
        except OSError as reason:
            error = f"can't be read ({reason.strerror})"
    return DataReading(folder, chosen, sets, setup.data_path, error)


def _examine(setup: Setup) -> List[Finding]:
    try:
        folder = data_dir()
    except DataError as error:
        return [DATA.skipped(str(error))]
    return [judge_data(read(setup, folder, bool(os.environ.get("FEDBED_DATA"))), setup.dataset)]


GROUP = Group("data", (DATA,), _examine)
