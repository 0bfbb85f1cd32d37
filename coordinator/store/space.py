"""Room on the disk that holds the coordinator's state: how much is left, and what to say of it."""

from __future__ import annotations

import shutil
from pathlib import Path

from fedbed.disk import is_full
from fedbed.errors import CoordinatorAway, StorageFull
from fedbed.units import format_bytes

ROOM_PAUSE_S = 1.0
"""How long to wait before another look whether a full disk has room."""
WAITING = "the coordinator's disk is full: waiting for room"
"""What whoever waits says of it."""
LOW_BYTES = 64 * 1024 * 1024
LOW_SHARE = 0.05
"""Of a disk so small that `LOW_BYTES` are much of it."""


class Space:
    """The disk under a folder; `trouble` is one line for people, empty while there is room."""

    def __init__(self, folder: Path) -> None:
        self.trouble = ""
        self._folder = folder

    def look(self) -> bool:
        """Look again; returns whether trouble has come or gone. OSError if the disk is gone."""
        usage = shutil.disk_usage(self._folder)
        before, self.trouble = self.trouble, complaint(usage.free, usage.total)
        return bool(before) != bool(self.trouble)


def complaint(free: int, total: int) -> str:
    """Return what is wrong with so many free bytes; empty if nothing is. Pure."""
    if free >= min(LOW_BYTES, total * LOW_SHARE):
        return ""
    return (
        f"the coordinator's disk is nearly full ({format_bytes(free)} left): runs wait for room, "
        "and nothing is lost; make some"
    )


def unkept(error: OSError) -> CoordinatorAway:
    """Return what to answer where a file can't be written: who asked should ask again."""
    if is_full(error):
        return StorageFull("the coordinator's disk is full: try again when there is room")
    return CoordinatorAway(f"the coordinator can't use its disk ({error.strerror or error})")
