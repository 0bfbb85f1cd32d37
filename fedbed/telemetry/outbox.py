"""Points that wait for a server: in memory, then in files, then the oldest are given up.

An agent's wait for the broker, the coordinator's for the database. While the server answers nothing
is written to the disk. When it is away for long, what is too much for the memory goes into files, a
few large ones, because SD cards wear. Batches come out oldest first and are forgotten only when the
server has acknowledged them; what was on its way when its process died is sent again, and the same
point written twice is one point to InfluxDB.

Standard library only and Python 3.8: nodes import this module.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Deque, Iterable, NamedTuple, Optional

from fedbed.telemetry.backlog import Backlog, Chunk, batches, joined
from fedbed.telemetry.point import Point
from fedbed.units import format_bytes

log = logging.getLogger("fedbed.telemetry")
SUFFIX = ".lines"
_NAME = re.compile(r"(?P<number>[0-9]{12})-(?P<points>[0-9]{1,9})")
DISK_PAUSE_S = 60.0


@dataclass(frozen=True)
class Limits:
    """How much may wait. A sample of a node takes about 1 kB: see docs/mqtt.md for times."""

    memory_bytes: int = 512 * 1024
    disk_bytes: int = 64 * 1024 * 1024
    batch_bytes: int = 64 * 1024
    free_bytes: int = 128 * 1024 * 1024
    """As much of the disk stays free: what was learnt needs it more."""


class _Stored(NamedTuple):
    """A file of points. Its name says their number, so that a restart needs to read none."""

    number: int
    points: int
    size: int
    path: Path


class Outbox:
    """The bounded buffer. `add` may be called by any thread and never waits for the disk.

    What else there is may wait for it, and is for the thread that speaks to the server.
    whose: who it is, for messages.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits = Limits(),
        now: Callable[[], float] = time.monotonic,
        whose: str = "the broker",
    ) -> None:
        self._whose = whose
        self._folder = folder
        self._limits = limits
        self._now = now
        self._memory = Backlog()
        self._guard = threading.Lock()
        self._disk = threading.RLock()
        self._head: Deque[Chunk] = deque()
        self._head_file: Optional[_Stored] = None
        self._files: Deque[_Stored] = deque()
        self._next_number = 1
        self._head_number = 0
        self._no_disk_until = -1.0
        self._waiting = 0
        self._dropped = 0

    @property
    def batch_bytes(self) -> int:
        """As large as a batch gets, unless one line is larger."""
        return self._limits.batch_bytes

    @property
    def waiting(self) -> int:
        """Points that wait, with those under way."""
        return self._waiting

    @property
    def dropped(self) -> int:
        """Points given up since the start: there was no more room, or the server refused them."""
        return self._dropped

    def open(self) -> None:
        """Find what an earlier life has left. A folder that can't be used means memory alone."""
        with self._disk:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                for path in self._folder.glob("*.part"):
                    path.unlink()
                found = sorted(filter(None, map(_stored, self._folder.glob("*" + SUFFIX))))
            except OSError as error:
                self._avoid_disk(str(error))
                return
            self._files.extend(found)
            if found:
                self._next_number = found[-1].number + 1
            self._count(sum(file.points for file in found))

    def add(self, points: Iterable[Point]) -> None:
        """Append points, the newest there are.

        Of what comes in faster than `tidy` can write it down, the oldest is given up.
        """
        lines = [line for line in (point.line() for point in points) if line]
        if not lines:
            return
        # A lone surrogate can't be written as UTF-8.
        chunk = Chunk(("\n".join(lines) + "\n").encode("utf-8", "replace"), len(lines))
        with self._guard:
            self._memory.add(chunk)
            self._waiting += chunk.points
            # The thread that would write them out is late, or the disk takes none.
            while self._memory.size > 2 * self._limits.memory_bytes:
                oldest = self._memory.take(0)
                if oldest is not None:
                    self._waiting -= oldest.points
                    self._dropped += oldest.points

    def next(self) -> Optional[Chunk]:
        """Return the oldest batch, the same one until it is `done`; None if nothing waits."""
        with self._disk:
            while not self._head and self._files:
                self._load()
            if not self._head:
                with self._guard:
                    batch = self._memory.take(self._limits.batch_bytes)
                if batch is None:
                    return None
                self._head.append(batch)
                # Older than every file to come, if it has to become one.
                self._head_number = self._new_number()
            return self._head[0]

    def done(self, refused: int = 0) -> None:
        """Forget the oldest batch: the server has it, or all but so many points for good."""
        with self._disk:
            if not self._head:
                return  # closed meanwhile: it is on the disk, for the next life
            self._count(-self._head.popleft().points, dropped=refused)
            if not self._head and self._head_file is not None:
                self._remove(self._head_file)
                self._head_file = None

    def tidy(self) -> None:
        """Move what is too much for the memory to the disk; give up the oldest beyond its limit."""
        with self._disk:
            # Half of it at once: few writes.
            while self._memory.size > self._limits.memory_bytes and self._may_write():
                with self._guard:
                    chunk = self._memory.take(self._limits.memory_bytes // 2)
                if chunk is not None and not self._store(chunk, self._new_number()):
                    with self._guard:
                        self._memory.put_back(chunk)
            while self._files and sum(f.size for f in self._files) > self._limits.disk_bytes:
                oldest = self._files.popleft()
                self._remove(oldest)
                self._count(-oldest.points, dropped=oldest.points)

    def close(self) -> None:
        """Write everything that waits to the disk, for the next life."""
        with self._disk:
            rest = [] if self._head_file is not None else [(joined(self._head), self._head_number)]
            self._head.clear()
            with self._guard:
                newest = self._memory.take(2 * self._limits.memory_bytes)
            if newest is not None:
                rest.append((newest, self._new_number()))
            self._no_disk_until = min(self._no_disk_until, self._now())
            for chunk, number in rest:
                if chunk.points and self._may_write():
                    self._store(chunk, number)

    def _load(self) -> None:
        file = self._files.popleft()
        try:
            self._head.extend(batches(file.path.read_bytes(), self._limits.batch_bytes))
        except OSError as error:
            log.warning("points for %s in '%s' can't be read: %s", self._whose, file.path, error)
        # A power cut may have taken some of what its name promises.
        lacking = file.points - joined(self._head).points
        self._count(-lacking, dropped=max(0, lacking))
        if self._head:
            self._head_file = file
        else:
            self._remove(file)

    def _store(self, chunk: Chunk, number: int) -> bool:
        path = self._folder / f"{number:012d}-{chunk.points}{SUFFIX}"
        part = path.with_suffix(".part")
        try:
            with part.open("wb") as file:
                file.write(chunk.data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink()
            self._avoid_disk(str(error))
            return False
        self._files.append(_Stored(number, chunk.points, len(chunk.data), path))
        return True

    def _may_write(self) -> bool:
        if self._now() < self._no_disk_until:
            return False
        try:
            free = shutil.disk_usage(str(self._folder)).free
        except OSError as error:
            self._avoid_disk(str(error))
            return False
        if free < self._limits.free_bytes:
            self._avoid_disk(f"only {format_bytes(free)} of the disk are free")
            return False
        return True

    def _avoid_disk(self, reason: str) -> None:
        """Leave the disk alone for a while; the first time, say so."""
        if self._no_disk_until < 0:
            log.warning("points for %s wait in memory alone: %s", self._whose, reason)
        self._no_disk_until = self._now() + DISK_PAUSE_S

    def _new_number(self) -> int:
        self._next_number += 1
        return self._next_number - 1

    def _count(self, points: int, dropped: int = 0) -> None:
        with self._guard:
            self._waiting += points
            self._dropped += dropped

    @staticmethod
    def _remove(file: _Stored) -> None:
        with contextlib.suppress(OSError):
            file.path.unlink()


def _stored(path: Path) -> Optional[_Stored]:
    name = _NAME.fullmatch(path.name[: -len(SUFFIX)])
    if name is None:
        return None
    return _Stored(int(name["number"]), int(name["points"]), path.stat().st_size, path)
