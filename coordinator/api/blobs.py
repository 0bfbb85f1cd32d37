"""Bulk data by content address."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from coordinator.api.access import CentreDep, NodeDep
from coordinator.api.direct import Lane
from fedbed import bundle
from fedbed.errors import NotFound, PayloadError

router = APIRouter(tags=["blobs"])
SMALL_BYTES = 1024 * 1024
"""Up to this size a blob is read at once, without a thread, and kept for the next who asks."""
SMALL_KEPT = 16


class BlobResponse(FileResponse):
    """A file in large pieces: each costs a change of threads."""

    chunk_size = 1024 * 1024


class SmallBlobs:
    """The latest small blobs in memory: a thousand nodes ask for the same model at once.

    By content address, so that what is kept can't go stale; and by run, because a node gets the
    blobs of its own run only.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str | None, str], bytes] = OrderedDict()

    def get(self, run: str | None, sha256: str) -> bytes | None:
        """Return a blob that is kept."""
        return self._kept.get((run, sha256))

    def read(self, run: str | None, sha256: str, path: Path) -> bytes | None:
        """Read the blob in `path` and keep it; None if it isn't small."""
        if path.stat().st_size > SMALL_BYTES:
            return None
        data = self._kept[run, sha256] = path.read_bytes()
        while len(self._kept) > SMALL_KEPT:
            self._kept.popitem(last=False)
        return data


_small = SmallBlobs()


@router.get("/blobs/{sha256}", response_class=FileResponse)
async def get_blob(sha256: str, request: Request, node: NodeDep, centre: CentreDep) -> Response:
    """A blob of the node's run; understands Range, so that a download goes on where it ended."""
    run = centre.runs.run_of(node.id)
    whole = "range" not in request.headers
    small = _small.get(run, sha256) if whole else None
    if small is None:
        stores = [centre.blobs] if run is None else [centre.runs.blobs_of(run), centre.blobs]
        path = next((store.path(sha256) for store in stores if store.has(sha256)), None)
        if path is None:
            raise NotFound(f"there is no blob {sha256[:12]} for this node")
        small = _small.read(run, sha256, path) if whole else None
        if small is None:
            return BlobResponse(path, media_type="application/octet-stream")
    return Response(small, media_type="application/octet-stream")


@router.put("/blobs/{sha256}")
async def put_blob(sha256: str, request: Request, centre: CentreDep) -> dict[str, int | str]:
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
