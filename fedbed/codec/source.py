"""Where the bytes of a payload lie: in memory, or in a stretch of a file."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional, Tuple, Union

from fedbed.errors import PayloadError

CHUNK_BYTES = 1 << 18
SHORTER = "payload file became shorter while it was read"


class BytesSource:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._view = memoryview(data).cast("B")
        self.size = len(self._view)

    def chunks(self, offset: int, length: int) -> Iterator[memoryview]:
        """Yield `length` bytes from `offset`, which must lie within `size`, without copying."""
        yield self._view[offset : offset + length]

    def read_into(self, offset: int, out: memoryview) -> None:
        """Fill `out`, bytes, from `offset`; all of it must lie within `size`."""
        out[:] = self._view[offset : offset + len(out)]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Do nothing: bytes in memory are at hand."""
        yield

    def close(self) -> None:
        """Let go of the bytes; reading is then a ValueError, as with a closed file."""
        self._view.release()


class FileSource:
    """`length` bytes of a file from `offset`, to its end unless given.

    Unless `held`, each reading opens the file anew, which costs some microseconds: a round may have
    a thousand payloads at hand, and a process may often have no more files open than that. Reads
    with pread, not by mapping: a file that shrinks is then an error and not a signal.
    """

    def __init__(self, path: Union[str, Path], offset: int, length: Optional[int]) -> None:
        self._path: Optional[str] = os.fspath(path)
        self._file: Optional[Tuple[int, int]] = None
        self._held: Optional[int] = None
        with self._descriptor() as descriptor:
            found = os.fstat(descriptor)
        self._file = (found.st_dev, found.st_ino)
        whole = found.st_size
        self.size = whole - offset if length is None else length
        if offset < 0 or self.size < 0 or offset + self.size > whole:
            raise PayloadError(
                f"payload of {self.size} bytes at {offset} doesn't lie in a file of {whole}"
            )
        self._offset = offset

    def chunks(self, offset: int, length: int) -> Iterator[memoryview]:
        """Yield `length` bytes from `offset`, which must lie within `size`, a chunk at a time."""
        position = self._offset + offset
        end = position + length
        with self._descriptor() as descriptor:
            while position < end:
                chunk = os.pread(descriptor, min(end - position, CHUNK_BYTES), position)
                if not chunk:
                    raise PayloadError(SHORTER)
                position += len(chunk)
                yield memoryview(chunk)

    def read_into(self, offset: int, out: memoryview) -> None:
        """Fill `out`, bytes, from `offset`; all of it must lie within `size`."""
        if self._held is not None:
            self._fill(self._held, offset, out)
            return
        with self._descriptor() as descriptor:
            self._fill(descriptor, offset, out)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the file open within a `with` statement, which makes many readings cheaper."""
        with self._descriptor() as descriptor:
            self._held = descriptor
            try:
                yield
            finally:
                self._held = None

    def close(self) -> None:
        """Read no more: that is then a ValueError, as with a closed file."""
        self._path = None

    def _fill(self, descriptor: int, offset: int, out: memoryview) -> None:
        position = self._offset + offset
        while out:
            count = os.preadv(descriptor, [out], position)
            if not count:
                raise PayloadError(SHORTER)
            position += count
            out = out[count:]

    @contextmanager
    def _descriptor(self) -> Iterator[int]:
        if self._path is None:
            raise ValueError("payload is closed")
        if self._held is not None:
            yield self._held
            return
        descriptor = os.open(self._path, os.O_RDONLY)
        try:
            if self._file is not None:
                found = os.fstat(descriptor)
                if self._file != (found.st_dev, found.st_ino):
                    raise PayloadError("payload file was replaced by another while in use")
            yield descriptor
        finally:
            os.close(descriptor)
