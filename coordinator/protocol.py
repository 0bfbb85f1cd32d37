"""uvicorn's HTTP protocol, which says when a connection ends, and waits for no slow head."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

log = logging.getLogger("fedbed")
Lost = Callable[[tuple[str, int]], None]


def watching(on_lost: Lost, head_s: float) -> type[asyncio.Protocol]:
    """Return uvicorn's HTTP protocol with a word to `on_lost` (the peer) when a connection ends.

    A request's head that has begun, and the first one of a connection at all, must be complete
    within `head_s` seconds; between two requests a connection may idle as uvicorn allows.
    """

    class Watching(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        leave: Callable[[], None] | None = None
        """Called when the connection ends."""
        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self._late = self.loop.call_later(head_s, self._hang_up)

        def data_received(self, data: bytes) -> None:
            before = self.cycle
            super().data_received(data)
            if self.cycle is not before:  # a head is complete
                self._unset_late()
            elif self._late is None and _is_over(before):
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
            log.debug("%s took too long for a request's head", self.client)
            cast(asyncio.Transport, self.transport).abort()

    return Watching


def _is_over(cycle: Any) -> bool:
    """Whether what comes now is no longer of the request of this cycle."""
    return cycle is None or cycle.response_complete or not cycle.more_body
