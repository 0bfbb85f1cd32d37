"""Lines that wait for the database: in memory, then on disk, and bounded in both places.

The event loop puts lines in and is never kept waiting; one other thread takes them out, and moves
what memory can't hold for long to disk. A batch stays where it is until it was delivered: one that
is written twice is the same points once more, for the database and for us.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MEMORY_LINES = 20_000
"""Some megabytes."""
SPILL_LINES = 5_000
"""With more than that in memory, the oldest go to disk while the database is away."""
DISK_BYTES = 64_000_000
BATCH_LINES = 5_000
BATCH_CHARS = 500_000
"""A proxy before the database may take 1 MB at a time."""
_NAME = re.compile(r"([0-9]{12})-([0-9]{1,9})\.lp")


@dataclass(frozen=True)
class Limits:
    """How much waits where; what comes beyond pushes the oldest out."""

    memory_lines: int = MEMORY_LINES
    spill_lines: int = SPILL_LINES
    disk_bytes: int = DISK_BYTES
    batch_lines: int = BATCH_LINES


@dataclass(frozen=True)
class Batch:
    """Lines to be delivered together, oldest first; `file` is where they lie, if on disk."""

    lines: list[str]
    file: Path | None = None


@dataclass(frozen=True)
class _Stored:
    path: Path
    lines: int
    size: int


class Buffer:
    """Thread-safe. `dropped` counts the lines that were given up since it was made."""

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self._folder = folder
        self._limits = limits or Limits()
        self._guard = threading.Lock()
        self._memory: deque[str] = deque()
        self._files: deque[_Stored] = deque()
        self._number = 0
        self._out = 0
        """Lines of memory that were taken and not settled."""
        self.dropped = 0

    def open(self) -> None:
        """Take over what an earlier life left on disk. OSError if the folder can't be made."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self._folder.iterdir()):
            named = _NAME.fullmatch(path.name)
            if named is None:
                if path.suffix == ".new":  # of a life that ended while it wrote
                    path.unlink(missing_ok=True)
                continue
            self._files.append(_Stored(path, int(named[2]), path.stat().st_size))
            self._number = int(named[1])

    @property
    def waiting(self) -> int:
        """Lines that aren't delivered."""
        with self._guard:
            return len(self._memory) + sum(file.lines for file in self._files)

    def put(self, lines: Iterable[str]) -> None:
        """Add lines; the oldest in memory go where there is no room."""
        with self._guard:
            self._memory.extend(lines)
            while len(self._memory) > self._limits.memory_lines:
                self._memory.popleft()
                self._out = max(0, self._out - 1)
                self.dropped += 1

    def take(self) -> Batch | None:
        """Return the oldest lines that wait; they count as waiting until `settle`."""
        while self._files:
            file = self._files[0]
            try:
                # Not splitlines, which also splits at what a text may hold.
                return Batch(file.path.read_text("utf-8").rstrip("\n").split("\n"), file.path)
            except (OSError, ValueError):
                self._forget(file)
                self.give_up(file.lines)
        return self._take_memory()

    def _take_memory(self) -> Batch | None:
        with self._guard:
            lines: list[str] = []
            chars = 0
            for line in self._memory:
                chars += len(line) + 1
                if lines and (len(lines) == self._limits.batch_lines or chars > BATCH_CHARS):
                    break
                lines.append(line)
            self._out = len(lines)
        return Batch(lines) if lines else None

    def settle(self, batch: Batch) -> None:
        """A batch is delivered, or given up: forget it."""
        if batch.file is not None:
            if self._files and self._files[0].path == batch.file:
                self._forget(self._files[0])
            return
        with self._guard:
            for _ in range(self._out):
                self._memory.popleft()
            self._out = 0

    def give_up(self, lines: int) -> None:
        """Count lines as dropped."""
        with self._guard:
            self.dropped += lines

    def spill(self, all_of_it: bool = False) -> None:
        """Move what memory shouldn't hold to disk: the oldest, or everything at the end.

        OSError if it can't be written; it stays in memory then.
        """
        keep = 0 if all_of_it else self._limits.spill_lines
        while len(self._memory) > keep:
            batch = self._take_memory()
            if batch is None:
                return
            stored = self._store(batch.lines)
            with self._guard:
                self._files.append(stored)
            self.settle(batch)
            self._trim()

    def _store(self, lines: list[str]) -> _Stored:
        self._number += 1
        path = self._folder / f"{self._number:012d}-{len(lines)}.lp"
        temporary = path.with_suffix(".new")
        data = ("\n".join(lines) + "\n").encode("utf-8", errors="replace")
        try:
            with temporary.open("wb") as file:
                file.write(data)
            temporary.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        return _Stored(path, len(lines), len(data))

    def _trim(self) -> None:
        while sum(file.size for file in self._files) > self._limits.disk_bytes:
            oldest = self._files[0]
            self._forget(oldest)
            self.give_up(oldest.lines)

    def _forget(self, file: _Stored) -> None:
        with self._guard:
            self._files.remove(file)
        with contextlib.suppress(OSError):
            file.path.unlink()
