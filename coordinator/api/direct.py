"""What nodes ask all the time, with nothing between the request and its handler.

FastAPI's layers cost more than most of these answers: with a thousand nodes they are most of what
the daemon does. The handlers are routes of the application like all others, so they are documented
and tested as such; this middleware only takes the short way to them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from coordinator.api.access import node_of
from coordinator.api.errors import TurnedAway, form_refusal, note_denial, refusal
from coordinator.centre import Centre
from coordinator.fleet.fleet import Member
from coordinator.store.space import unkept
from fedbed.errors import FedbedError, UsageError

Handler = Callable[[str, Request, Member, Centre], Awaitable[Response]]


@dataclass(frozen=True)
class Lane:
    """Requests for PREFIX + one segment + SUFFIX; the handler gets the segment first."""

    method: str
    prefix: str
    suffix: str
    handler: Handler

    def segment(self, scope: Scope) -> str | None:
        """Return the segment of a request that is ours, None of any other."""
        path = str(scope["path"])
        if scope["method"] != self.method or not path.startswith(self.prefix):
            return None
        if not path.endswith(self.suffix):
            return None
        found = path[len(self.prefix) : len(path) - len(self.suffix)]
        return found if found and "/" not in found else None


class Direct:
    """Calls a lane's handler, passes everything else on."""

    def __init__(self, app: ASGIApp, centre: Centre, lanes: Sequence[Lane]) -> None:
        self._app = app
        self._centre = centre
        self._lanes = lanes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or let the application do it."""
        if scope["type"] == "http":
            for lane in self._lanes:
                segment = lane.segment(scope)
                if segment is not None:
                    await self._answer(lane.handler, segment, scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _answer(
        self, handler: Handler, segment: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        request = Request(scope, receive, send)
        response: Response
        try:
            node = await node_of(self._centre, request.headers.get("authorization", ""))
            response = await handler(segment, request, node, self._centre)
        except FedbedError as error:
            note_denial(request, error)
            response = refusal(error)
        except OSError as error:
            response = refusal(unkept(error))
        except ValidationError as error:
            response = form_refusal(("body", *error.errors()[0]["loc"]), error.errors()[0]["msg"])
        except TurnedAway as error:
            response = error.answer()
        except HTTPException as error:
            response = refusal(UsageError(str(error.detail)), error.status_code)
        except ClientDisconnect:
            return
        await response(scope, receive, send)


class Codec:
    """One message class as JSON, without a detour by dictionaries."""

    def __init__(self, message: Any) -> None:
        self._adapter: TypeAdapter[Any] = TypeAdapter(message)

    def body(self) -> dict[str, Any]:
        """Describe a request with this body for the API's page."""
        schema = self._adapter.json_schema()
        content = {"application/json": {"schema": schema}}
        return {"requestBody": {"required": True, "content": content}}

    async def read(self, request: Request) -> Any:
        """Return the request's body as a message; ValidationError if it is none."""
        return self._adapter.validate_json(await request.body())

    def response(self, message: Any) -> Response:
        """Return a message as an answer."""
        return Response(self._adapter.dump_json(message), media_type="application/json")
