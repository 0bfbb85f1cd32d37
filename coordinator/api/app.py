"""The web application: routes, errors as JSON, the live page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from coordinator.api import blobs, live, nodes, runs, work
from coordinator.centre import Centre
from fedbed import __version__
from fedbed.errors import FedbedError, Refused

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
    )
    app.state.centre = centre
    for module in (nodes, work, blobs, runs, live):
        app.include_router(module.router, prefix="/api/v1")
    app.add_middleware(SameSite)
    app.add_exception_handler(FedbedError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_form)

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE, media_type="text/html")

    return app


class SameSite:
    """Refuses changes that a page of another site asks an operator's browser for.

    Browsers name the asking page's origin; programs send none. Plain ASGI, because Starlette's
    middleware base class hides a closed connection from the open poll.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 403."""
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            request = Request(scope)
            origin = request.headers.get("origin")
            host = request.headers.get("host", "")
            if origin and origin != f"{request.url.scheme}://{host}":
                refusal = await _refuse(
                    request, Refused(f"requests from pages of {origin} are not accepted")
                )
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _refuse(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, FedbedError)
    return JSONResponse({"code": error.code, "detail": str(error)}, status_code=error.http_status)


async def _refuse_form(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return JSONResponse(
        {"code": "UsageError", "detail": f"{where}: {first['msg']}"}, status_code=422
    )
