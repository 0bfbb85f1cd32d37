"""Requests as the bytes of HTTP: those of the hostile kind, which an HTTP library won't send."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

HUGE = b"9" * 5000
KEY = b"a" * 64


@dataclass(frozen=True)
class Answer:
    """The status, and the body that came with it."""

    status: int
    head: bytes
    body: bytes


def get(path: bytes, *headers: bytes) -> bytes:
    lines = [b"GET " + path + b" HTTP/1.1", b"Host: x", b"Connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(path: bytes, body: bytes, *headers: bytes) -> bytes:
    lines = [
        b"POST " + path + b" HTTP/1.1",
        b"Host: x",
        b"Connection: close",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def ask(port: int, request: bytes, timeout_s: float = 20.0) -> Answer:
    """Send raw bytes; returns the answer, of status 0 where the connection was just closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        writer.write(request)
        async with asyncio.timeout(timeout_s):
            answer = await reader.read()
    except ConnectionError:
        pass
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return Answer(int(head.split(b" ")[1]) if head else 0, head, body)
