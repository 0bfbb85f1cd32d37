"""Bulk data by content address."""

from __future__ import annotations

import hashlib

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from coordinator.api.access import CentreDep, NodeDep, OperatorDep
from coordinator.api.direct import Lane
from fedbed import bundle
from fedbed.errors import NotFound, PayloadError

router = APIRouter(tags=["blobs"])


class BlobResponse(FileResponse):
    """A file in large pieces: each costs a change of threads."""

    chunk_size = 1024 * 1024


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
        data = await centre.latest_blobs.read(run, sha256, path) if whole else None
        if data is None:
            return BlobResponse(path, media_type="application/octet-stream")
    return Response(data, media_type="application/octet-stream")


@router.put("/blobs/{sha256}")
async def put_blob(
    sha256: str, request: Request, _caller: OperatorDep, centre: CentreDep
) -> dict[str, int | str]:
    """Hand in the bundle of a Flower app, before it is submitted as a run."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > bundle.MAX_BYTES:
            raise PayloadError(f"a bundle may hold {bundle.MAX_BYTES} bytes at most")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise PayloadError("the bytes that came don't have the hash in their address")
    ref = centre.blobs.put(bytes(data))
    return {"sha256": ref.sha256, "size": ref.size}


BLOB = Lane("GET", "/api/v1/blobs/", "", get_blob)
