"""Files as answers: whole, or from where an earlier download broke off."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi.responses import FileResponse
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from coordinator.api.errors import TurnedAway
from fedbed.errors import NotFound, UsageError

_RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{0,18})")


class File(FileResponse):
    """A file in large pieces: each costs a change of threads."""

    chunk_size = 1024 * 1024


class _Whole(File):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)


def answer(path: Path, request: Request, media_type: str | None = None) -> File:
    """Return a file, or the stretch of it that the request's Range asks for.

    One stretch with a beginning is understood; what asks for others gets the whole, as RFC 9110
    (14.2) allows. NotFound if there is no such file any more, 416 for a stretch beyond its end.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"'{path.name}' is gone: its run has ended") from None
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None or (asked[2] and int(asked[2]) < int(asked[1])):
        return _Whole(path, media_type=media_type, stat_result=found)
    if int(asked[1]) >= found.st_size:
        error = UsageError(f"the range begins after the end: there are {found.st_size} bytes")
        raise TurnedAway(error, 416, {"Content-Range": f"bytes */{found.st_size}"})
    return File(path, media_type=media_type, stat_result=found)
