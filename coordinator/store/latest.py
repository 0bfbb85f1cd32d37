"""The latest blobs in memory: all nodes ask for the same model at once, and get the same bytes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path

KEPT_BYTES = 64 * 1024 * 1024


class LatestBlobs:
    """Up to `KEPT_BYTES` of blobs, the latest.

    By content address, so that what is kept can't go stale; and by run, because a node gets the
    blobs of its own run only.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str | None, str], asyncio.Future[bytes]] = OrderedDict()
        self._sizes: dict[tuple[str | None, str], int] = {}

    async def get(self, run: str | None, sha256: str) -> bytes | None:
        """Return a blob that is kept."""
        reading = self._kept.get((run, sha256))
        return None if reading is None else await asyncio.shield(reading)

    async def read(self, run: str | None, sha256: str, path: Path) -> bytes | None:
        """Read the blob in `path` and keep it, once for all who ask; None if it is too large."""
        size = path.stat().st_size
        if size > KEPT_BYTES:
            return None
        key = (run, sha256)
        self._sizes[key] = size
        while sum(self._sizes.values()) > KEPT_BYTES:
            oldest = next(iter(self._kept))
            del self._kept[oldest], self._sizes[oldest]
        reading = asyncio.ensure_future(asyncio.to_thread(path.read_bytes))
        self._kept[key] = reading
        try:
            return await asyncio.shield(reading)
        except OSError:
            self._kept.pop(key, None)
            self._sizes.pop(key, None)
            raise
