"""HTTP/1.1 as cheap as Python allows: a thousand clients must leave the machine to the server."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, cast

CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """An answer with its body; `size` is the body's, kept or not."""

    status: int
    body: bytes
    size: int

    def json(self) -> dict[str, Any]:
        """Return the body as the JSON object that it is; OSError for a refusal or another body."""
        if self.status >= 300:
            raise ConnectionError(f"answered {self.status}: {self.body[:200].decode()}")
        found: dict[str, Any] = json.loads(self.body)
        return found


class Connection:
    """One kept-open connection, one request at a time; opened by the first, and after `close`."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._protocol: _Protocol | None = None

    def close(self) -> None:
        """Close; the next request opens another."""
        if self._protocol is not None:
            self._protocol.close()
            self._protocol = None

    async def ask(
        self,
        method: str,
        path: str,
        headers: str,
        body: dict[str, Any] | list[bytes] | None = None,
        keep: bool = True,
    ) -> Answer:
        """Send a request and return its answer; without `keep` the body is counted only.

        `headers` are whole lines. ConnectionError if the connection breaks.
        """
        if isinstance(body, dict):
            headers += "Content-Type: application/json\r\n"
            body = [json.dumps(body).encode()]
        parts = body or []
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n{headers}"
            f"Content-Length: {sum(map(len, parts))}\r\n\r\n"
        )
        if self._protocol is None or self._protocol.closed:
            _, self._protocol = await asyncio.get_running_loop().create_connection(
                _Protocol, self._host, self._port
            )
        return await self._protocol.exchange(head.encode(), parts, keep)


class _Protocol(asyncio.Protocol):
    def __init__(self) -> None:
        self.closed = False
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._buffer = bytearray()
        self._keep = True
        self._status = 0
        self._left = -1
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not isinstance: the transports of uvloop are no asyncio.Transport.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._writable.set()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"the connection was closed ({exc})"))

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def exchange(self, head: bytes, parts: list[bytes], keep: bool) -> Answer:
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._keep, self._left, self._size = keep, -1, 0
        self._buffer.clear()
        if sum(map(len, parts)) <= CHUNK:
            self._transport.write(b"".join((head, *parts)))
        else:
            self._transport.write(head)
            for part in parts:
                for at in range(0, len(part), CHUNK):
                    # An answer that comes before the end is a refusal: the rest isn't wanted.
                    if self.closed or self._answer.done():
                        break
                    self._transport.write(memoryview(part)[at : at + CHUNK])
                    await self._writable.wait()
        return await self._answer

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            return
        if self._left < 0:
            self._buffer += data
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._buffer[:end]).lower()
            self._status = int(head[9:12])
            at = head.find(b"content-length:")
            self._left = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            data = bytes(self._buffer[end + 4 :])
            self._buffer.clear()
        self._left -= len(data)
        self._size += len(data)
        if self._keep or self._status >= 300:
            self._buffer += data
        if self._left == 0:
            self._answer.set_result(Answer(self._status, bytes(self._buffer), self._size))
