"""Whether nodes are fit to train, and what the way to them carries."""

from __future__ import annotations

import secrets
import time
from typing import Annotated

from fastapi import APIRouter, Header

from coordinator.api.access import CentreDep, bearer
from coordinator.api.strict import Strict
from fedbed.link.health import KnockReply, KnockRequest

router = APIRouter(tags=["health"], route_class=Strict)
MOST_PADDING = 512 * 1024
"""Bytes that an answer is filled up with at most: enough to measure a rate by."""


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
