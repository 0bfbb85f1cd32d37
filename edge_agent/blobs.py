"""Blobs that this node holds: a folder of files named by their hash, of bounded size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Set

from edge_agent.link import Link, sha256_of
from fedbed.errors import PayloadError
from fedbed.link.messages import BlobRef


class BlobCache:
    """Keeps the most recently used blobs up to `limit_bytes`; what is in use now always stays."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._verified: Set[str] = set()

    def open(self) -> None:
        """Make the folder and clear half-fetched files of blobs that nobody asks for any more."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for part in self._folder.glob("*.part"):
            part.unlink()

    def fetch(self, blob: BlobRef, link: Link, in_use: Set[str]) -> int:
        """Make sure that the blob is here; return the bytes that had to be fetched."""
        path = self.path(blob)
        if path.is_file():
            if self._is_whole(blob):
                os.utime(path)
                return 0
            path.unlink()
        if blob.size > self._limit_bytes:
            raise PayloadError(
                f"a blob of {blob.size} bytes exceeds this node's cache of {self._limit_bytes}"
            )
        self._make_room(blob.size, in_use)
        link.download(blob, path)
        self._verified.add(blob.sha256)
        return blob.size

    def clear(self, in_use: Set[str]) -> None:
        """Let go of all blobs but those in use: the disk is full."""
        for path in list(self._folder.iterdir()):
            if path.stem not in in_use:
                path.unlink()
                self._verified.discard(path.name)

    def path(self, blob: BlobRef) -> Path:
        """Where the blob lies, or will lie."""
        return self._folder / blob.sha256

    def _is_whole(self, blob: BlobRef) -> bool:
        # Looked at once in each life: a power cut may leave a name without all of its bytes.
        if blob.sha256 not in self._verified and sha256_of(self.path(blob)) == blob.sha256:
            self._verified.add(blob.sha256)
        return blob.sha256 in self._verified

    def _make_room(self, size: int, in_use: Set[str]) -> None:
        held = [(p.stat().st_mtime, p.stat().st_size, p) for p in self._folder.iterdir()]
        total = sum(entry[1] for entry in held)
        for _, old_size, path in sorted(held):
            if total + size <= self._limit_bytes:
                return
            if path.stem not in in_use:
                path.unlink()
                self._verified.discard(path.name)
                total -= old_size
