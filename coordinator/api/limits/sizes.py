"""How large a body may be that is read whole, before any of it is."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coordinator.api.errors import TurnedAway, refusal
from fedbed.errors import UsageError

MAX_JSON_BYTES = 1024 * 1024
"""The largest of them is an experiment file, and those have some kilobytes."""
MAX_JOIN_BYTES = 16 * 1024
"""What a node says of itself when it joins, which is kept for each of them."""
MAX_REPORT_BYTES = 64 * 1024
"""A poll names the items in the node's spool: some forty bytes each. Of an array with a wrong type
throughout, each item costs the parser a kilobyte for an error of its own."""

_JOIN = "/api/v1/nodes"
_REPORT = "/api/v1/nodes/"


def limit_of(path: str) -> int:
    """Return how many bytes the body of a request for `path` may have."""
    if path == _JOIN:
        return MAX_JOIN_BYTES
    return MAX_REPORT_BYTES if path.startswith(_REPORT) else MAX_JSON_BYTES


class SmallBodies:
    """Refuses bodies beyond their limit, which would be read whole, before that.

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
        limit = limit_of(scope["path"])
        announced = dict(scope["headers"]).get(b"content-length", b"")
        if announced.isdigit():
            # The server's parser has refused numbers of so many digits that int() would.
            if int(announced) > limit:
                await refusal(_too_large(limit), 413)(scope, receive, send)
            else:  # no more than announced can come
                await self._app(scope, receive, send)
            return
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > limit:
                raise TurnedAway(_too_large(limit), 413)
            return message

        await self._app(scope, counted, send)


def _too_large(limit: int) -> UsageError:
    return UsageError(f"the request's body is larger than {limit} bytes")
