"""The body of a result on its way in: in batches, until it ends or another takes its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fedbed.errors import PayloadError, Refused

BATCH_BYTES = 1024 * 1024
"""What is handed to a thread at a time: hashing and writing it outweighs the change of threads."""


class Upload:
    """One upload; made in the task that reads it."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self._task = asyncio.current_task()
        self._reading = False
        self._broken_off = False
        self.received = 0
        """Bytes so far."""

    def break_off(self) -> None:
        """End it with Refused where it waits for its peer; one that is through goes on."""
        if self._reading and self._task is not None:
            self._broken_off = True
            self._task.cancel()

    async def batches(self, size: int) -> AsyncIterator[list[bytes]]:
        """Yield the body's pieces; PayloadError for more than `size` bytes."""
        pieces: list[bytes] = []
        held = 0
        while (piece := await self._next()) is not None:
            self.received += len(piece)
            if self.received > size:
                raise PayloadError("more bytes came than were announced", "too-large")
            pieces.append(piece)
            held += len(piece)
            if held >= BATCH_BYTES:
                yield pieces
                pieces, held = [], 0
        if pieces:
            yield pieces

    async def _next(self) -> bytes | None:
        self._reading = True
        try:
            return await self._body.__anext__()
        except StopAsyncIteration:
            return None
        except asyncio.CancelledError:
            if not self._broken_off:
                raise
            if self._task is not None:
                self._task.uncancel()
            raise Refused("another upload of this result has taken over") from None
        finally:
            self._reading = False
