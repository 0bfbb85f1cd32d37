"""Where the bytes of a payload lie: in memory, or in a stretch of a file."""

from __future__ import annotations

import os
from typing import BinaryIO, Iterator, Optional

from fedbed.errors import PayloadError

CHUNK_BYTES = 1 << 18


class BytesSource:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._view = memoryview(data).cast("B")
        self.size = len(self._view)

    def chunks(self, offset: int, length: int) -> Iterator[memoryview]:
        """Yield `length` bytes from `offset`, which must lie within `size`, without copying."""
        yield self._view[offset : offset + length]

    def close(self) -> None:
        """Let go of the bytes; reading is then a ValueError, as with a closed file."""
        self._view.release()


class FileSource:
    """`length` bytes of an open file from `offset`, to its end unless given.

    Reads with pread, not by mapping: a file that shrinks is then an error and not a signal.
    """

    def __init__(self, file: BinaryIO, offset: int, length: Optional[int]) -> None:
        whole = os.fstat(file.fileno()).st_size
        self.size = whole - offset if length is None else length
        if offset < 0 or self.size < 0 or offset + self.size > whole:
            raise PayloadError(
                f"payload of {self.size} bytes at {offset} doesn't lie in a file of {whole}"
            )
        self._file = file
        self._offset = offset

    def chunks(self, offset: int, length: int) -> Iterator[memoryview]:
        """Yield `length` bytes from `offset`, which must lie within `size`, a chunk at a time."""
        position = self._offset + offset
        end = position + length
        while position < end:
            chunk = os.pread(self._file.fileno(), min(end - position, CHUNK_BYTES), position)
            if not chunk:
                raise PayloadError("payload file became shorter while it was read")
            position += len(chunk)
            yield memoryview(chunk)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
