"""The hand-made copies of boards' sysfs and procfs, and what is wrong with samples."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from fedbed.telemetry.definition import faults
from fedbed.telemetry.point import Sample

FOLDER = Path(__file__).parent / "trees"
BOARDS = sorted(p.name.replace("hand-made-", "") for p in FOLDER.iterdir() if p.is_dir())


def tree(board: str) -> Path:
    """The root of a board's tree; not to be changed."""
    return FOLDER / f"hand-made-{board}"


def copy_of(board: str, target: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(tree(board), target / board))


def wrong(samples: Iterable[Sample]) -> list[str]:
    """What isn't as defined, and points that would hide each other."""
    found, seen = [], set()
    for sample in samples:
        found += faults(sample.measurement, {"node": "pi-1", **sample.tags}, dict(sample.fields))
        key = (sample.measurement, tuple(sorted(sample.tags.items())))
        if key in seen:
            found.append(f"two of {key}")
        seen.add(key)
    return found


class Seconds:
    """A clock for tests."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now
