"""Finished updates on disk, from before they are sent until they are acknowledged.

Each is one envelope file named by its work item; `fedbed.link.envelope` writes it by atomic
rename, so what lies here is whole. Neither a reboot nor a lost link costs a trained update.
"""

from __future__ import annotations

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
        for path in self._folder.iterdir():
            if path.suffix != SUFFIX:
                path.unlink()

    def path(self, item: str) -> Path:
        """Where the result of a work item belongs; PayloadError for an id that is no file name."""
        if not _ITEM.fullmatch(item):
            raise PayloadError(f"'{item[:40]}' is no work item's id")
        return self._folder / (item + SUFFIX)

    def write_failure(self, item: str, reason: str, timeline: Dict[str, Any]) -> Tuple[int, str]:
        """Spool the news that an item failed; returns size and sha256 of the file."""
        meta = {
            "item": item,
            "records": [],
            "payloads": [],
            "error": reason,
            "timeline": timeline,
        }
        return envelope.write(self.path(item), meta, [])

    def items(self) -> List[str]:
        """Ids of the spooled items, oldest first."""
        files = sorted(self._folder.glob("*" + SUFFIX), key=lambda p: p.stat().st_mtime)
        return [p.name[: -len(SUFFIX)] for p in files]

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
        path = self.path(item)
        if path.is_file():
            path.unlink()

    def trim(self) -> List[str]:
        """Drop the oldest results beyond the size limit; returns what was dropped."""
        dropped = []
        sizes = [(item, self.path(item).stat().st_size) for item in self.items()]
        total = sum(size for _, size in sizes)
        for item, size in sizes[:-1]:
            if total <= self._limit_bytes:
                break
            self.remove(item)
            dropped.append(item)
            total -= size
        return dropped
