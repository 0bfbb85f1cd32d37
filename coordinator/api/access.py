"""Who asks: the services behind a request, and the node or person that its credential names.

Coroutines though they await nothing: FastAPI sends plain functions to a thread, for each request.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Request
from starlette.requests import HTTPConnection

from coordinator.access.roles import Caller, Role
from coordinator.centre import Centre
from coordinator.fleet.fleet import Member
from fedbed.errors import NotAdmitted

COOKIE = "fedbed_access"
"""A browser's access token: pages and links can't send a header."""
_READING = ("GET", "HEAD")


async def centre_of(request: Request) -> Centre:
    """Return the coordinator's services."""
    centre: Centre = request.app.state.centre
    return centre


CentreDep = Annotated[Centre, Depends(centre_of)]


def bearer(authorization: str) -> str:
    """Return the token of an Authorization header; empty if there is none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def node_of(centre: CentreDep, authorization: Annotated[str, Header()] = "") -> Member:
    """Return the node whose token the request carries; NotAdmitted without a valid one."""
    token = bearer(authorization)
    if not token:
        raise NotAdmitted("this request needs a node's credential: `Authorization: Bearer TOKEN`")
    return centre.fleet.fleet.by_token(token)


NodeDep = Annotated[Member, Depends(node_of)]


def caller_by(centre: Centre, request: Request, authorization: str) -> Caller:
    """Return who asks, by header or cookie; NotAdmitted."""
    return centre.access.caller(bearer(authorization) or request.cookies.get(COOKIE, ""))


class Needs:
    """A dependency: the caller, who must have a role. NotAdmitted or Refused otherwise."""

    def __init__(self, role: Role) -> None:
        self._role = role

    async def __call__(
        self, request: Request, centre: CentreDep, authorization: Annotated[str, Header()] = ""
    ) -> Caller:
        """Return who asks; who changes something is noted in the log."""
        caller = caller_by(centre, request, authorization)
        request.state.caller = caller
        caller.require(self._role)
        if centre.access.enrolled and request.method not in _READING:
            query = f"?{request.url.query}" if request.url.query else ""
            asked = f"{request.method} {request.url.path}{query}"
            centre.access.note(caller, peer_of(request), asked)
        return caller


def peer_of(request: HTTPConnection) -> str:
    """Return the address that a request comes from."""
    return request.client.host if request.client else "an unknown address"


def caller_of(request: Request) -> str:
    """Return who asks, as far as that was found out: for the log."""
    caller = getattr(request.state, "caller", None)
    return str(caller) if caller is not None else "somebody unknown"


ViewerDep = Annotated[Caller, Depends(Needs(Role.VIEWER))]
OperatorDep = Annotated[Caller, Depends(Needs(Role.OPERATOR))]
AdminDep = Annotated[Caller, Depends(Needs(Role.ADMIN))]


def holder_of(centre: Centre, authorization: str) -> str | None:
    """Return whose token an Authorization header holds, of nodes and people; None if nobody's."""
    token = bearer(authorization)
    return centre.fleet.fleet.holder(token) or centre.access.holder(token)
