"""Bulk data by content address."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from coordinator.api import files
from coordinator.api.access import CentreDep, NodeDep, OperatorDep
from coordinator.api.direct import Lane
from coordinator.store.blobs import is_address
from fedbed import bundle
from fedbed.errors import NotFound, PayloadError

router = APIRouter(tags=["blobs"])
_BINARY = "application/octet-stream"


@router.get("/blobs/{sha256}", response_class=FileResponse)
async def get_blob(sha256: str, request: Request, node: NodeDep, centre: CentreDep) -> Response:
    """A blob of the node's run; understands Range, so that a download goes on where it ended."""
    run = centre.runs.run_of(node.id)
    whole = "range" not in request.headers
    data = await centre.latest_blobs.get(run, sha256) if whole else None
    if data is None:
        stores = [centre.blobs] if run is None else [centre.runs.blobs_of(run), centre.blobs]
        path = next((store.path(sha256) for store in stores if store.has(sha256)), None)
        if path is None:
            raise NotFound(f"there is no blob {sha256[:12]} for this node")
        try:
            data = await centre.latest_blobs.read(run, sha256, path) if whole else None
        except FileNotFoundError:
            raise NotFound(f"blob {sha256[:12]} is gone: its run has ended") from None
        if data is None:
            return files.answer(path, request, _BINARY)
    return Response(data, media_type=_BINARY)


@router.put("/blobs/{sha256}")
async def put_blob(
    sha256: str, request: Request, _caller: OperatorDep, centre: CentreDep
) -> dict[str, int | str]:
    """Hand in the bundle of a Flower app, before it is submitted as a run."""
    if not is_address(sha256):
        raise PayloadError("a bundle's address is the 64 hex digits of its SHA-256")
    announced = request.headers.get("content-length", "0")
    if int(announced) > bundle.MAX_BYTES:
        raise _too_large()
    with await asyncio.to_thread(centre.blobs.incoming) as incoming:
        async for chunk in request.stream():
            if incoming.size + len(chunk) > bundle.MAX_BYTES:
                raise _too_large()
            await asyncio.to_thread(incoming.write, chunk)
        if incoming.sha256() != sha256:
            raise PayloadError("the bytes that came don't have the hash in their address")
        await asyncio.to_thread(incoming.keep)
    return {"sha256": sha256, "size": incoming.size}


def _too_large() -> PayloadError:
    return PayloadError(f"a bundle may hold {bundle.MAX_BYTES} bytes at most")


BLOB = Lane("GET", "/api/v1/blobs/", "", get_blob)
