"""Results onto the disk: read off the network here, everything else in trips to a thread.

While one file is synced, making another takes its time; on the event loop a thousand nodes that
answer at once would wait for each other, and their polls for all of them.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from coordinator.runs.upload import Upload
from fedbed.errors import PayloadError

SMALL_BYTES = 1024 * 1024
"""Up to this size a result is gathered in memory and written by the thread that checks it."""
GATHERED_LIMIT = 128 * 1024 * 1024
"""So much may be gathered at a time; what comes beyond is written as it comes."""


@dataclass(frozen=True)
class Announced:
    """What is known of a result before it is read. `name` is the item's, and the file's."""

    name: str
    folder: Path
    size: int
    sha256: str
    check: Callable[[Path], dict[str, Any]]
    """Called in a thread with the file: returns its meta data, or raises PayloadError."""
    wanted: Callable[[], bool]
    """Whether somebody still waits for it; called in that thread too."""
    on_named: Callable[[dict[str, Any]], None]
    """Called in that thread with the meta data, once the file has its name: it may be read from
    then on, while it is still on its way to the disk."""

    @property
    def path(self) -> Path:
        """Where the file lies when it is whole, right and wanted."""
        return self.folder / f"{self.name}.result"


class Arrivals:
    """Results that arrive."""

    def __init__(self) -> None:
        self._gathered = 0
        self._life = secrets.token_hex(4)
        self._numbers = itertools.count()

    async def take(self, announced: Announced, upload: Upload) -> dict[str, Any]:
        """Read, check and keep a result; returns its meta data.

        Its bytes are on disk then, under their name if they are still wanted; the name is for good
        when its folder is synced. PayloadError if they are not what was announced; Refused when the
        upload is broken off.
        """
        part = announced.folder / f"{announced.name}.{self._life}-{next(self._numbers)}.part"
        size = announced.size
        if size > SMALL_BYTES or self._gathered + size > GATHERED_LIMIT:
            return await _take_large(announced, upload, part)
        self._gathered += size
        try:
            batches = [b"".join(pieces) async for pieces in upload.batches(size)]
            return await asyncio.to_thread(_keep_small, announced, b"".join(batches), part)
        finally:
            self._gathered -= size


async def _take_large(announced: Announced, upload: Upload, part: Path) -> dict[str, Any]:
    digest = hashlib.sha256()

    def write(pieces: list[bytes]) -> None:
        # In one go: each call lets go of the interpreter, and has to wait to get it back.
        batch = b"".join(pieces)
        digest.update(batch)
        f.write(batch)

    try:
        with await asyncio.to_thread(_create, part) as f:
            async for pieces in upload.batches(announced.size):
                await asyncio.to_thread(write, pieces)
            _compare(announced, digest.hexdigest())
            return await asyncio.to_thread(_keep, announced, part, f)
    finally:
        part.unlink(missing_ok=True)


def _keep_small(announced: Announced, data: bytes, part: Path) -> dict[str, Any]:
    _compare(announced, hashlib.sha256(data).hexdigest())
    try:
        with _create(part) as f:
            f.write(data)
            return _keep(announced, part, f)
    finally:
        part.unlink(missing_ok=True)


def _keep(announced: Announced, part: Path, f: BinaryIO) -> dict[str, Any]:
    f.flush()
    meta = announced.check(part)
    if announced.wanted():
        part.replace(announced.path)
        announced.on_named(meta)
        os.fsync(f.fileno())
    return meta


def _compare(announced: Announced, sha256: str) -> None:
    # A body that is cut short has another hash as well.
    if sha256 != announced.sha256:
        raise PayloadError(
            f"{announced.name}: the bytes that came don't have the announced hash", "damaged"
        )


def _create(part: Path) -> BinaryIO:
    try:
        return part.open("xb")
    except FileNotFoundError:
        part.parent.mkdir(parents=True, exist_ok=True)
        return part.open("xb")
