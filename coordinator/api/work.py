"""Results of work items."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.requests import ClientDisconnect

from coordinator.api.access import CentreDep, NodeDep
from fedbed.errors import PayloadError, Refused

router = APIRouter(tags=["work"])


@router.put("/work/{item}/result")
async def put_result(
    item: str,
    request: Request,
    node: NodeDep,
    centre: CentreDep,
    content_length: Annotated[int, Header()],
    x_fedbed_sha256: Annotated[str, Header()],
) -> dict[str, str]:
    """Send a result envelope. Idempotent: what was stored already is acknowledged again."""
    if content_length < 0:
        raise PayloadError("a result needs a Content-Length")
    node.uploading += 1
    centre.live.changed()
    try:
        status = await centre.exchange.receive(
            node, item, content_length, x_fedbed_sha256, request.stream()
        )
    except ClientDisconnect as error:
        raise Refused(f"{item}: the connection was cut") from error
    finally:
        node.uploading -= 1
        centre.live.changed()
    return {"item": item, "status": status}
