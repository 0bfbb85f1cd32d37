"""JSON as RFC 8259 and UTF-8 have it: what can't be written again is not read.

Python's own reader takes lone surrogates, on which every later listing of them fails, and nests
deeper than most of what would walk through it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.exceptions import HTTPException


class _Request(Request):
    async def json(self) -> Any:
        try:
            return from_json(await self.body())
        except ValueError as error:
            raise HTTPException(400, f"the request's body is no JSON: {error}") from error


class Strict(APIRoute):
    """A route whose body is read so; as a router's `route_class`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler, with a reader of ours."""
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            return await handle(_Request(request.scope, request.receive))

        return strictly
