"""Nodes: joining, the open poll, leaving; and what operators may do with them."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from coordinator.api.access import (
    AdminDep,
    CentreDep,
    NodeDep,
    OperatorDep,
    ViewerDep,
    bearer,
)
from coordinator.api.direct import Codec, Lane
from coordinator.api.strict import Strict
from fedbed.errors import Refused
from fedbed.link.messages import JoinReply, JoinRequest, PollReply, PollRequest

router = APIRouter(tags=["nodes"], route_class=Strict)
_POLL_REQUEST = Codec(PollRequest)
_POLL_REPLY = Codec(PollReply)


@router.post("/nodes")
async def join(
    request: JoinRequest, centre: CentreDep, authorization: Annotated[str, Header()] = ""
) -> JoinReply:
    """Join. The same key is the same node; the answer holds its credential.

    Where nodes have to be enrolled, a new one sends its enrolment token as `Authorization: Bearer
    TOKEN`.
    """
    return await centre.fleet.join(request, bearer(authorization))


@router.get("/nodes")
async def list_nodes(_caller: ViewerDep, centre: CentreDep) -> list[dict[str, Any]]:
    """All nodes with their state."""
    return centre.fleet.snapshot()


@router.get("/nodes/{name}")
async def show_node(name: str, _caller: ViewerDep, centre: CentreDep) -> dict[str, Any]:
    """One node with its record: what it was refused lately, and the runs that it took part in."""
    return await centre.fleet.record(centre.fleet.fleet.find(name))


@router.post("/nodes/{node_id}/work", response_model=PollReply, openapi_extra=_POLL_REQUEST.body())
async def poll(node_id: str, request: Request, node: NodeDep, centre: CentreDep) -> Response:
    """The open poll: answered when there is work, or something to drop, or after `wait_s`."""
    if node.id != node_id:
        raise Refused("a node can only ask for its own work")
    arrived = time.monotonic()
    report = await _POLL_REQUEST.read(request)
    # The body has been read, so the next message of this connection is its end.
    gone = asyncio.ensure_future(request.receive())
    try:
        peer = (request.client.host, request.client.port) if request.client else None
        reply = await centre.fleet.poll(node, report, gone, peer)
        reply.now_s, reply.held_s = time.time(), time.monotonic() - arrived
        return _POLL_REPLY.response(reply)
    finally:
        gone.cancel()


POLL = Lane("POST", "/api/v1/nodes/", "/work", poll)


@router.delete("/nodes/{node_id}")
async def leave(node_id: str, node: NodeDep, centre: CentreDep) -> dict[str, str]:
    """Leave, as the node itself. It may come back with the same key."""
    if node.id != node_id:
        raise Refused("a node can only sign off itself")
    centre.fleet.leave(node)
    return {"left": node.name}


@router.post("/nodes/{node_id}/rest")
async def rest(
    node_id: str, node: NodeDep, centre: CentreDep, resting: bool = True
) -> dict[str, Any]:
    """Take no new work, as the node itself; or with `resting=false` take it again.

    What an operator or the coordinator has drained, the node can't undo.
    """
    if node.id != node_id:
        raise Refused("a node can only drain itself")
    centre.fleet.rest(node, resting)
    return {"name": node.name, "drained": node.drained}


@router.post("/nodes/{name}/drain")
async def drain(
    name: str, _caller: OperatorDep, centre: CentreDep, drained: bool = True
) -> dict[str, Any]:
    """Give a node no new work, or with `drained=false` work again: its offences are forgiven."""
    member = centre.fleet.fleet.find(name)
    centre.fleet.drain(member, drained)
    return {"name": member.name, "drained": drained}


@router.post("/nodes/{name}/remove")
async def remove(name: str, _caller: AdminDep, centre: CentreDep) -> dict[str, str]:
    """Strike a node off the books: its credential is void at once, its name is free."""
    member = centre.fleet.fleet.find(name)
    await centre.fleet.forget(member)
    return {"removed": member.name}
