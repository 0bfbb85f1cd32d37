"""Lines of line protocol in memory, oldest first: how they are cut and put together. Pure."""

from __future__ import annotations

from collections import deque
from typing import Deque, Iterable, List, NamedTuple, Optional


class Chunk(NamedTuple):
    """Lines of line protocol that belong together: what was added at once, or goes out at once."""

    data: bytes
    points: int


def joined(chunks: Iterable[Chunk]) -> Chunk:
    """Put chunks together, in their order."""
    chunks = list(chunks)
    return Chunk(b"".join(c.data for c in chunks), sum(c.points for c in chunks))


class Backlog:
    """Chunks in memory, oldest first. No locks, no files."""

    def __init__(self) -> None:
        self._chunks: Deque[Chunk] = deque()
        self.size = 0

    def add(self, chunk: Chunk) -> None:
        """Append the newest chunk."""
        self._chunks.append(chunk)
        self.size += len(chunk.data)

    def put_back(self, chunk: Chunk) -> None:
        """Take back what `take` gave, as the oldest."""
        self._chunks.appendleft(chunk)
        self.size += len(chunk.data)

    def take(self, limit: int) -> Optional[Chunk]:
        """Remove the oldest chunks up to `limit` bytes, at least one; None if there is none."""
        if not self._chunks:
            return None
        taken = [self._chunks.popleft()]
        size = len(taken[0].data)
        while self._chunks and size + len(self._chunks[0].data) <= limit:
            taken.append(self._chunks.popleft())
            size += len(taken[-1].data)
        self.size -= size
        return joined(taken)


def batches(data: bytes, limit: int) -> List[Chunk]:
    """Cut lines into batches of at most `limit` bytes, or one line; a cut last line is left out."""
    found: List[Chunk] = []
    lines: List[bytes] = []
    size = 0
    for line in data.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            continue
        if lines and size + len(line) > limit:
            found.append(Chunk(b"".join(lines), len(lines)))
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    if lines:
        found.append(Chunk(b"".join(lines), len(lines)))
    return found
