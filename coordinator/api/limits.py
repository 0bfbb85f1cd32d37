"""What a request may be: from whom, and how large."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coordinator.api.errors import refusal
from fedbed.errors import Refused, UsageError

MAX_JSON_BYTES = 4 * 1024 * 1024
"""The largest of them is an experiment file, and those have some kilobytes."""
_WHY = f"the request's body is larger than {MAX_JSON_BYTES} bytes"


class SameSite:
    """Refuses changes that a page of another site asks an operator's browser for.

    Browsers name the asking page's origin; programs send none. Plain ASGI, because Starlette's
    middleware base class hides a closed connection from the open poll.
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
                error = Refused(f"requests from pages of {origin} are not accepted")
                await refusal(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class SmallBodies:
    """Refuses bodies of more than `MAX_JSON_BYTES`, which would be read whole, before that.

    PUT is left alone: its bodies are bulk data, and their routes read them in pieces and stop at
    limits of their own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 413."""
        if scope["type"] != "http" or scope["method"] == "PUT":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"")
        if announced.isdigit():
            if int(announced) > MAX_JSON_BYTES:
                await _too_large(scope, receive, send)
            else:  # no more than announced can come
                await self._app(scope, receive, send)
            return
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > MAX_JSON_BYTES:
                raise _TooLarge
            return message

        try:
            await self._app(scope, counted, send)
        except _TooLarge:
            await _too_large(scope, receive, send)


class _TooLarge(HTTPException):
    """Of this kind because FastAPI takes all others, while it reads a body, for a broken form."""

    def __init__(self) -> None:
        super().__init__(413, _WHY)


async def _too_large(scope: Scope, receive: Receive, send: Send) -> None:
    await refusal(UsageError(_WHY), 413)(scope, receive, send)
