"""Finished updates on disk, from before they are sent until they are acknowledged.

Each is one envelope file named by its work item; `fedbed.link.envelope` writes it by atomic
rename, so what lies here is whole. Neither a reboot nor a lost link costs a trained update.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path
from typing import Any, Dict, List, Tuple

from fedbed.errors import PayloadError
from fedbed.link import envelope

_ITEM = re.compile(r"[A-Za-z0-9._-]{1,160}")
SUFFIX = ".result"


class Spool:
    """A bounded folder of result envelopes."""

    def __init__(self, folder: Path, limit_bytes: int = 512 * 1024 * 1024) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes

    def open(self) -> None:
        """Make the folder; half-written files of an earlier life go."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self.sweep()

    def sweep(self) -> None:
        """Remove half-written files; for when nobody writes: a worker that died left them."""
        for path in self._folder.iterdir():
            if path.suffix != SUFFIX and path.is_file():
                path.unlink()

    def path(self, item: str) -> Path:
        """Where the result of a work item belongs; PayloadError for an id that is no file name."""
        if not _ITEM.fullmatch(item):
            raise PayloadError(f"'{item[:40]}' is no work item's id")
        return self._folder / (item + SUFFIX)

    def write_failure(
        self, item: str, question: str, reason: str, timeline: Dict[str, Any]
    ) -> Tuple[int, str]:
        """Spool the news that an item failed; returns size and sha256 of the file."""
        meta = {
            "item": item,
            "question": question,
            "records": [],
            "payloads": [],
            "error": reason,
            "timeline": timeline,
        }
        return envelope.write(self.path(item), meta, [])

    def items(self) -> List[str]:
        """Ids of the spooled items, oldest first."""
        return [item for _, _, item in self._held()]

    def measure(self, item: str) -> Tuple[int, str]:
        """Return size and sha256 of a spooled result (after a restart, when nobody remembers)."""
        digest = hashlib.sha256()
        size = 0
        with self.path(item).open("rb") as f:
            for chunk in iter(lambda: f.read(256 * 1024), b""):
                digest.update(chunk)
                size += len(chunk)
        return size, digest.hexdigest()

    def remove(self, item: str) -> None:
        """The coordinator has it, or wants it no more."""
        with contextlib.suppress(FileNotFoundError):
            self.path(item).unlink()

    def trim(self) -> List[str]:
        """Drop the oldest results beyond the size limit; returns what was dropped."""
        dropped = []
        held = self._held()
        total = sum(size for _, size, _ in held)
        for _, size, item in held[:-1]:
            if total <= self._limit_bytes:
                break
            self.remove(item)
            dropped.append(item)
            total -= size
        return dropped

    def _held(self) -> List[Tuple[float, int, str]]:
        held = []
        for path in self._folder.glob("*" + SUFFIX):
            # The poll and the executor both come here: a file may go while the other looks.
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                held.append((found.st_mtime, found.st_size, path.name[: -len(SUFFIX)]))
        return sorted(held)
