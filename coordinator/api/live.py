"""The live picture: wait for the next version, get all of it."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from coordinator.api.access import CentreDep, ViewerDep, caller_by
from fedbed import __version__

router = APIRouter(tags=["live"])
MAX_WAIT_S = 25.0


@router.get("/live", response_model=dict[str, Any])
async def live(
    request: Request,
    _caller: ViewerDep,
    centre: CentreDep,
    after: int = 0,
    wait: float = 20.0,
    authorization: Annotated[str, Header()] = "",
) -> Response:
    """Wait until the picture is newer than version `after` (`wait` seconds at most), return it."""
    await centre.live.wait(after, max(0.0, min(wait, MAX_WAIT_S)))
    # Who waited may have lost access meanwhile.
    caller_by(centre, request, authorization)
    return Response(centre.picture.body(), media_type="application/json")


@router.get("/health")
async def health() -> dict[str, Any]:
    """Whether a coordinator answers here, which, and what its clock shows (seconds since 1970)."""
    return {"status": "ok", "product": "fedbed", "version": __version__, "now_s": time.time()}
