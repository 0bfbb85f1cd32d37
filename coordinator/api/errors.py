"""Refusals as JSON: every one carries the `code` of its class and a `detail` of one line."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from coordinator.api.access import caller_of, peer_of
from coordinator.store.space import unkept
from fedbed.errors import FedbedError, NotAdmitted, NotFound, Refused, UsageError
from fedbed.logs import printable

log = logging.getLogger("fedbed.api")
denials = logging.getLogger("fedbed.access")
MAX_DETAIL = 500
"""Characters of a refusal: what it quotes may be of any length."""


class TurnedAway(HTTPException):
    """A refusal with a status, and perhaps headers, of its own.

    Of this kind because FastAPI takes all others, while it reads a body, for a broken form.
    """

    def __init__(
        self, error: FedbedError, status: int, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, str(error), headers)
        self.error = error

    def answer(self) -> JSONResponse:
        """Return it as JSON."""
        response = refusal(self.error, self.status_code)
        response.headers.update(self.headers or {})
        return response


def register(app: FastAPI) -> None:
    """Let all errors that a request may raise be answered in our form."""
    app.add_exception_handler(FedbedError, _known)
    app.add_exception_handler(OSError, _disk)
    app.add_exception_handler(RequestValidationError, _form)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _fault)


def refusal(error: FedbedError, status: int | None = None) -> JSONResponse:
    """Return an error as JSON, with its own HTTP status unless a closer one is given."""
    body = {"code": error.code, "detail": _one_line(str(error))}
    return JSONResponse(body, status_code=error.http_status if status is None else status)


def form_refusal(where: Sequence[Any], why: str) -> JSONResponse:
    """Return what is wrong with a request that isn't of the form that is asked for."""
    place = ".".join(str(part) for part in where)
    return refusal(UsageError(f"{place}: {why}"), 422)


def note_denial(request: Request, error: FedbedError) -> None:
    """Leave a trace of who was turned away, and from where."""
    if isinstance(error, (NotAdmitted, Refused)):
        denials.warning(
            "%s at %s was turned away from %s %s: %s",
            caller_of(request),
            peer_of(request),
            request.method,
            request.url.path,
            error,
        )


async def _known(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, FedbedError)
    note_denial(request, error)
    return refusal(error)


async def _disk(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OSError)
    log.error("%s %s: %s", request.method, request.url.path, error)
    return refusal(unkept(error))


async def _form(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return form_refusal(first["loc"], first["msg"])


async def _http(request: Request, error: Exception) -> JSONResponse:
    """Word what the router says: no such address, or not by this method."""
    if isinstance(error, TurnedAway):
        return error.answer()
    assert isinstance(error, HTTPException)
    path = request.url.path
    known: FedbedError = UsageError(str(error.detail))
    if error.status_code == 404:
        known = NotFound(f"there is nothing at {path}: the API is described at /docs")
    elif error.status_code == 405:
        known = UsageError(f"{path} doesn't understand {request.method}: /docs says what it does")
    response = refusal(known, error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _fault(request: Request, error: Exception) -> JSONResponse:
    """A fault of ours: its traceback is in the log, and nothing of it in the answer."""
    path = request.scope["path"]
    log.error("%s %r: %s", request.method, path, type(error).__name__)
    return refusal(FedbedError("a fault of the coordinator's own: its log says more"))


def _one_line(text: str) -> str:
    line = printable(" ".join(text.split()))
    return line if len(line) <= MAX_DETAIL else line[: MAX_DETAIL - 3] + "..."
