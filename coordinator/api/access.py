"""Who asks: the services behind a request, and the node that its credential names.

Coroutines though they await nothing: FastAPI sends plain functions to a thread, for each request.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Request

from coordinator.centre import Centre
from coordinator.fleet.fleet import Member
from fedbed.errors import Refused


async def centre_of(request: Request) -> Centre:
    """Return the coordinator's services."""
    centre: Centre = request.app.state.centre
    return centre


CentreDep = Annotated[Centre, Depends(centre_of)]


async def node_of(centre: CentreDep, authorization: Annotated[str, Header()] = "") -> Member:
    """Return the node whose token the request carries; Refused without a valid one."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused("this request needs a node's credential: `Authorization: Bearer TOKEN`")
    return centre.fleet.fleet.by_token(token)


NodeDep = Annotated[Member, Depends(node_of)]
