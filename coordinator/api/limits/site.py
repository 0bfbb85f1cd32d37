"""Changes are asked for by programs and by our own page, not by pages of other sites."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from coordinator.api.errors import refusal
from fedbed.errors import Refused


class SameSite:
    """Refuses changes that a page of another site asks an operator's browser for.

    Browsers name the asking page's origin; programs send none.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 403."""
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            headers = dict(scope["headers"])
            origin = headers.get(b"origin", b"").decode("latin-1")
            host = headers.get(b"host", b"").decode("latin-1")
            if origin and origin != f"{scope['scheme']}://{host}":
                error = Refused(f"requests from pages of {origin[:200]} are not accepted")
                await refusal(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)
