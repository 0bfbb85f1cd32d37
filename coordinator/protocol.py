"""uvicorn's HTTP protocol, which says when a connection ends, and waits for no slow head."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = logging.getLogger("fedbed")
MAX_HEAD_BYTES = 64 * 1024
"""Of a request's head before it is complete; what comes in one piece with its end may be longer."""
Lost = Callable[[tuple[str, int]], None]


def watching(on_lost: Lost, head_s: float) -> type[asyncio.Protocol]:
    """Return uvicorn's HTTP protocol with a word to `on_lost` (the peer) when a connection ends.

    A request's head that has begun, and the first one of a connection at all, must be complete
    within `head_s` seconds and `MAX_HEAD_BYTES`. Between two requests a connection may idle as
    long as uvicorn allows.
    """

    class Watching(HttpToolsProtocol):
        leave: Callable[[], None] | None = None
        """Called when the connection ends."""
        _late: asyncio.TimerHandle | None = None
        _in_head = False
        _head_bytes = 0

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)  # type: ignore[arg-type]
            self._late = self.loop.call_later(head_s, self._hang_up)

        def on_message_begin(self) -> None:
            self._in_head = True
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._in_head, self._head_bytes = False, 0
            self._unset_late()
            super().on_headers_complete()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if not self._in_head:
                return
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._hang_up()
            elif self._late is None:
                self._late = self.loop.call_later(head_s, self._hang_up)

        def connection_lost(self, exc: Exception | None) -> None:
            self._unset_late()
            super().connection_lost(exc)
            if self.leave is not None:
                self.leave()
            if self.client is not None:
                on_lost(self.client)

        def _unset_late(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

        def _hang_up(self) -> None:
            log.debug("%s sent too slow or too long a head of a request", self.client)
            self.transport.abort()

    return Watching
