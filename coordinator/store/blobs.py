"""Blobs by content address: written once, whatever the number of nodes that fetch them."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fedbed.errors import NotFound
from fedbed.link.messages import BlobRef

_SHA256 = re.compile(r"[0-9a-f]{64}")


class BlobStore:
    """A folder of files named by their SHA-256."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes) -> BlobRef:
        """Keep `data`; the same bytes twice are one file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=self.folder, prefix=".new-")
        part = Path(temporary)
        try:
            # Written while it is hashed: of a large model both take their time.
            with os.fdopen(descriptor, "wb") as f, ThreadPoolExecutor(1, "blob") as writer:
                writing = writer.submit(f.write, data)
                digest = hashlib.sha256(data).hexdigest()
                writing.result()
            path = self._path(digest)
            if not path.is_file():
                path.parent.mkdir(exist_ok=True)
                part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return BlobRef(digest, len(data))

    def has(self, sha256: str) -> bool:
        """Whether the blob is here; False for what is no address."""
        return bool(_SHA256.fullmatch(sha256)) and self._path(sha256).is_file()

    def path(self, sha256: str) -> Path:
        """Return a blob's file; NotFound where there is none."""
        if not _SHA256.fullmatch(sha256):
            raise NotFound("a blob's address is the 64 hex digits of its SHA-256")
        path = self._path(sha256)
        if not path.is_file():
            raise NotFound(f"there is no blob {sha256[:12]}")
        return path

    def remove(self, sha256: str) -> None:
        """Forget a blob that nobody will ask for again."""
        self._path(sha256).unlink(missing_ok=True)

    def _path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / sha256
