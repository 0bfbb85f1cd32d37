"""Blobs by content address: written once, whatever the number of nodes that fetch them."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from fedbed.errors import NotFound
from fedbed.link.messages import BlobRef

_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_address(text: str) -> bool:
    """Whether this is the address of a blob, here or anywhere: no other text is made a path."""
    return _SHA256.fullmatch(text) is not None


class BlobStore:
    """A folder of files named by their SHA-256."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._named: set[str] = set()
        """What was put here in this life: of other files a power cut may have left the name only.
        """

    def put(self, data: bytes) -> BlobRef:
        """Keep `data`; the same bytes twice are one file."""
        descriptor, part = self._new_part()
        try:
            # Written while it is hashed: of a large model both take their time.
            with os.fdopen(descriptor, "wb") as f, ThreadPoolExecutor(1, "blob") as writer:
                writing = writer.submit(f.write, data)
                digest = hashlib.sha256(data).hexdigest()
                writing.result()
            self._name(part, digest)
        finally:
            part.unlink(missing_ok=True)
        return BlobRef(digest, len(data))

    def incoming(self) -> Incoming:
        """Begin a blob that comes in pieces; use it in a `with` statement."""
        descriptor, part = self._new_part()
        return Incoming(descriptor, part, self._name)

    def has(self, sha256: str) -> bool:
        """Whether the blob is here; False for what is no address."""
        return is_address(sha256) and self._path(sha256).is_file()

    def path(self, sha256: str) -> Path:
        """Return a blob's file; NotFound where there is none."""
        if not is_address(sha256):
            raise NotFound("a blob's address is the 64 hex digits of its SHA-256")
        path = self._path(sha256)
        if not path.is_file():
            raise NotFound(f"there is no blob {sha256[:12]}")
        return path

    def remove(self, sha256: str) -> None:
        """Forget a blob that nobody will ask for again."""
        self._path(sha256).unlink(missing_ok=True)

    def _new_part(self) -> tuple[int, Path]:
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=self.folder, prefix=".new-")
        return descriptor, Path(temporary)

    def _name(self, part: Path, sha256: str) -> None:
        path = self._path(sha256)
        if sha256 not in self._named or not path.is_file():
            path.parent.mkdir(exist_ok=True)
            part.replace(path)
            self._named.add(sha256)

    def _path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / sha256


class Incoming:
    """A blob on its way into a store: a file without its name, gone again unless it is kept."""

    def __init__(self, descriptor: int, part: Path, name: Callable[[Path, str], None]) -> None:
        self._file = os.fdopen(descriptor, "wb")
        self._part = part
        self._name = name
        self._digest = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> Incoming:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def write(self, piece: bytes) -> None:
        """Add a piece; OSError if the disk fails."""
        self._digest.update(piece)
        self._file.write(piece)
        self.size += len(piece)

    def sha256(self) -> str:
        """Return the hash of what has come."""
        return self._digest.hexdigest()

    def keep(self) -> None:
        """Put it in its place under its hash, for good."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._name(self._part, self.sha256())
