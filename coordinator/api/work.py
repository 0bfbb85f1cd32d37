"""Results of work items."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from coordinator.api.access import CentreDep, NodeDep
from coordinator.api.direct import Codec, Lane
from fedbed.errors import PayloadError, Refused

router = APIRouter(tags=["work"])
_RECEIPT = Codec(dict[str, str])
_ENVELOPE = {
    "parameters": [
        {"name": name, "in": "header", "required": True, "schema": {"type": kind}}
        for name, kind in (("Content-Length", "integer"), ("X-Fedbed-Sha256", "string"))
    ],
    "requestBody": {"required": True, "content": {"application/octet-stream": {}}},
}


@router.put("/work/{item}/result", response_model=dict[str, str], openapi_extra=_ENVELOPE)
async def put_result(item: str, request: Request, node: NodeDep, centre: CentreDep) -> Response:
    """Send a result envelope. Idempotent: what was stored already is acknowledged again."""
    length = request.headers.get("content-length", "")
    sha256 = request.headers.get("x-fedbed-sha256", "")
    if not length.isascii() or not length.isdigit():
        raise PayloadError("a result needs a Content-Length")
    if not sha256:
        raise PayloadError("a result needs the hash of its bytes in X-Fedbed-Sha256")
    node.uploading += 1
    centre.live.changed()
    try:
        status = await centre.exchange.receive(node, item, int(length), sha256, request.stream())
    except ClientDisconnect as error:
        raise Refused(f"{item}: the connection was cut") from error
    finally:
        node.uploading -= 1
        centre.live.changed()
    return _RECEIPT.response({"item": item, "status": status})


RESULT = Lane("PUT", "/api/v1/work/", "/result", put_result)
