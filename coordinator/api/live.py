"""The live picture: wait for the next version, get all of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from coordinator.api.access import CentreDep, ViewerDep
from fedbed import __version__

router = APIRouter(tags=["live"])
MAX_WAIT_S = 25.0


@router.get("/live", response_model=dict[str, Any])
async def live(
    _caller: ViewerDep, centre: CentreDep, after: int = 0, wait: float = 20.0
) -> Response:
    """Wait until the picture is newer than version `after` (`wait` seconds at most), return it."""
    await centre.live.wait(after, max(0.0, min(wait, MAX_WAIT_S)))
    return Response(centre.picture.body(), media_type="application/json")


@router.get("/health")
async def health() -> dict[str, str]:
    """Whether a coordinator answers here, and which."""
    return {"status": "ok", "product": "fedbed", "version": __version__}
