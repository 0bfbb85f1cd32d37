"""Bundles on their way in, and files on their way out."""

from __future__ import annotations

import asyncio
import hashlib
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from fedbed import bundle
from tests.coordinator.serving import Served

MIB = 1024 * 1024


def kept(served: Served) -> list[str]:
    return [p.name for p in served.centre.blobs.folder.rglob("*") if p.is_file()]


async def test_a_bundle_is_kept_under_its_hash(served: Served) -> None:
    data = b"a bundle" * 100_000
    sha256 = hashlib.sha256(data).hexdigest()
    for _ in range(2):
        answer = await served.client.put(f"/api/v1/blobs/{sha256}", content=data)
        assert answer.json() == {"sha256": sha256, "size": len(data)}
    assert kept(served) == [sha256]
    assert served.centre.blobs.path(sha256).read_bytes() == data


async def test_other_bytes_than_the_address_says_leave_nothing(served: Served) -> None:
    answer = await served.client.put(f"/api/v1/blobs/{'0' * 64}", content=b"x" * 100_000)
    assert (answer.status_code, answer.json()["code"]) == (422, "PayloadError")
    assert kept(served) == []


@pytest.mark.parametrize("address", ["A" * 64, "0" * 63, "..%5c..", "%00", "%F0%9F%98%80"])
async def test_an_address_of_another_form_is_refused_before_anything_is_read(
    served: Served, address: str
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(
        f"PUT /api/v1/blobs/{address} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode()
    )
    async with asyncio.timeout(10):
        answer = await reader.readuntil(b"}")
    writer.close()
    assert b" 422 " in answer.split(b"\r\n")[0]
    assert b"64 hex digits" in answer


async def test_a_bundle_announced_too_large_is_refused_before_anything_is_read(
    served: Served,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = f"PUT /api/v1/blobs/{'0' * 64} HTTP/1.1\r\nHost: x\r\n"
    writer.write(f"{head}Content-Length: {bundle.MAX_BYTES + 1}\r\n\r\n".encode())
    async with asyncio.timeout(10):
        answer = await reader.readuntil(b"}")
    writer.close()
    assert b" 422 " in answer.split(b"\r\n")[0]
    assert kept(served) == []


async def test_one_of_unknown_length_is_not_gathered_in_memory(served: Served) -> None:
    piece = b"x" * MIB

    async def too_much() -> AsyncIterator[bytes]:
        for _ in range(bundle.MAX_BYTES // MIB + 1):
            yield piece

    tracemalloc.start()
    try:
        answer = await served.client.put(f"/api/v1/blobs/{'0' * 64}", content=too_much())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.json()["detail"] == f"a bundle may hold {bundle.MAX_BYTES} bytes at most"
    assert peak < bundle.MAX_BYTES / 4
    assert kept(served) == []


STRETCHES: list[tuple[str, int, bytes | None]] = [
    ("bytes=2-", 206, b"llo"),
    ("bytes=0-1", 206, b"he"),
    ("bytes=0-99999999999999999", 206, b"hello"),
    ("bytes=5-", 416, None),
    ("bytes=3-1", 200, b"hello"),
    ("bytes=-2", 200, b"hello"),
    ("bytes=0-1,3-4", 200, b"hello"),
    ("bytes=" + "0-1," * 9000 + "0-1", 200, b"hello"),
    ("bytes=" + "9" * 5000 + "-", 200, b"hello"),
    ("bytes=zz", 200, b"hello"),
    ("lines=1-2", 200, b"hello"),
]


async def test_a_stretch_of_a_blob_or_all_of_it(served: Served) -> None:
    node = await served.join("pi-1")
    sha256 = served.centre.blobs.put(b"hello").sha256
    for asked, status, came in STRETCHES:
        headers = {**node.headers, "Range": asked}
        answer = await served.client.get(f"/api/v1/blobs/{sha256}", headers=headers)
        assert answer.status_code == status, asked[:50]
        if came is not None:
            assert answer.content == came
        else:
            assert answer.headers["content-range"] == "bytes */5"
            assert answer.json()["code"] == "UsageError"


async def test_a_blob_that_goes_while_it_is_asked_for_is_not_found(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await served.join("pi-1")
    ref = served.centre.blobs.put(b"hello")
    path = served.centre.blobs.path(ref.sha256)
    monkeypatch.setattr(served.centre.blobs, "has", lambda _sha256: True)
    path.unlink()
    monkeypatch.setattr(served.centre.blobs, "path", lambda _sha256: path)
    for headers in (node.headers, {**node.headers, "Range": "bytes=1-"}):
        answer = await served.client.get(f"/api/v1/blobs/{ref.sha256}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "NotFound")
