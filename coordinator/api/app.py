"""The web application: routes, errors as JSON, the live page and the API's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse

from coordinator.api import (
    access,
    blobs,
    enrolments,
    errors,
    health,
    live,
    metrics,
    nodes,
    reference,
    runs,
    work,
)
from coordinator.api.direct import Direct
from coordinator.api.limits import Paced, Rates, SameSite, SmallBodies
from coordinator.centre import Centre
from fedbed import __version__

PAGE = Path(__file__).resolve().parents[1] / "web" / "index.html"


def make_app(centre: Centre) -> FastAPI:
    """Return the application around `centre`, which starts and stops with it."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await centre.start()
        try:
            yield
        finally:
            await centre.stop()

    app = FastAPI(
        title="fedbed coordinator",
        version=__version__,
        description="Nodes join, poll for work and send updates; operators submit runs and watch.",
        lifespan=lifespan,
        # FastAPI's own pages take their scripts from the internet, which a lab may not have.
        docs_url=None,
        redoc_url=None,
        # An address with a slash too many is another one; going on elsewhere would take its word
        # for the host from the request.
        redirect_slashes=False,
    )
    app.state.centre = centre
    for module in (nodes, health, work, blobs, runs, live, enrolments):
        app.include_router(module.router, prefix="/api/v1")
    app.include_router(metrics.router)
    lanes = [nodes.POLL, work.RESULT, blobs.BLOB]
    app.add_middleware(Direct, centre=centre, lanes=lanes)
    app.add_middleware(Paced)
    app.add_middleware(SmallBodies)
    app.add_middleware(Rates, whose=lambda header: access.holder_of(centre, header))
    app.add_middleware(SameSite)
    errors.register(app)

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        # No other site may show the page in a frame, and lead clicks into it.
        return FileResponse(PAGE, media_type="text/html", headers={"X-Frame-Options": "DENY"})

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(reference.render(app.openapi()))

    return app
