"""Whether nodes are fit to train, and what the way to them carries."""

from __future__ import annotations

import secrets
import time
from typing import Annotated, Any

from fastapi import APIRouter, Header
from pydantic import BaseModel, Field

from coordinator.api.access import CentreDep, NodeDep, OperatorDep, ViewerDep, bearer
from coordinator.api.strict import Strict
from coordinator.fleet.checkups import new_id
from fedbed.errors import Refused
from fedbed.link.health import Checkup, HealthReport, KnockReply, KnockRequest

router = APIRouter(tags=["health"], route_class=Strict)
MOST_PADDING = 512 * 1024
"""Bytes that an answer is filled up with at most: enough to measure a rate by."""
Name = Annotated[str, Field(max_length=64)]


class CheckupOrder(BaseModel):
    """What is planned for the node, as far as it is known; see `fedbed.link.health.Checkup`."""

    memory_bytes: Annotated[int, Field(ge=0, le=1 << 50)] = 0
    packages: Annotated[list[Name], Field(max_length=16)] = []
    dataset: Annotated[str, Field(max_length=100)] = ""


@router.post("/nodes/{name}/checkup")
async def order_checkup(
    name: str, order: CheckupOrder, _caller: OperatorDep, centre: CentreDep
) -> dict[str, str]:
    """Have a node examine itself; its findings are there some seconds later.

    The node's `health` in the live picture is `asked` until then. A node that trains leaves out
    what would disturb that.
    """
    member = centre.fleet.fleet.find(name)
    checkup = Checkup(new_id(), order.memory_bytes, order.packages, order.dataset)
    centre.fleet.order_checkup(member, checkup)
    return {"name": member.name, "checkup": checkup.id}


@router.get("/nodes/{name}/health")
async def show_health(name: str, _caller: ViewerDep, centre: CentreDep) -> dict[str, Any]:
    """What a node's latest check-up has found; `report` is null where there was none."""
    return centre.fleet.health(centre.fleet.fleet.find(name))


@router.post("/nodes/{node_id}/health")
async def report_health(
    node_id: str, report: HealthReport, node: NodeDep, centre: CentreDep
) -> dict[str, str]:
    """Tell what a check-up has found, as the node itself, which was asked for it."""
    if node.id != node_id:
        raise Refused("a node can only speak for itself")
    centre.fleet.take_health(node, report)
    return {"name": node.name}


@router.post("/knock")
async def knock(
    request: KnockRequest, centre: CentreDep, authorization: Annotated[str, Header()] = ""
) -> KnockReply:
    """Say whether a node would be let in, or refuse as joining would; nothing is changed.

    A new node sends its enrolment token as `Authorization: Bearer TOKEN`, which is not used up.
    `padding` and `want_bytes` (512 KiB at most) measure what the way carries.
    """
    member = centre.fleet.knock(request.name, request.key, bearer(authorization))
    withheld = ""
    if member is not None and member.drained:
        withheld = member.set_aside or "is drained: it gets no work"
    size = max(0, min(request.want_bytes, MOST_PADDING))
    return KnockReply(
        known=member is not None,
        now_s=time.time(),
        withheld=withheld,
        # Drawn by chance, so that nothing on the way can make it shorter than it is.
        padding=secrets.token_hex(size // 2),
    )
