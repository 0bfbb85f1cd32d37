"""Requests that are turned away before they cost anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from coordinator.api.limits import MAX_JSON_BYTES
from fedbed import bundle
from tests.coordinator.serving import Served

MIB = 1024 * 1024


async def test_a_body_that_is_announced_too_large_is_not_read(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = f"POST /api/v1/runs HTTP/1.1\r\nHost: x\r\nContent-Length: {300 * MIB}\r\n\r\n"
    writer.write(head.encode())
    # The body is never sent: who waited for it would never answer.
    async with asyncio.timeout(20):
        status, _, said = (await reader.readuntil(b"}")).partition(b"\r\n")
    writer.close()
    assert status.startswith(b"HTTP/1.1 413")
    assert json.loads(said.rpartition(b"\r\n")[2]) == {
        "code": "UsageError",
        "detail": f"the request's body is larger than {MAX_JSON_BYTES} bytes",
    }


async def test_a_body_of_unknown_length_is_read_up_to_the_limit(served: Served) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64 * MIB:
            sent += MIB
            yield b" " * MIB

    node = await served.join("a")
    headers = {**node.headers, "Content-Type": "application/json"}
    for path in ("runs", f"nodes/{node.id}/work"):
        sent = 0
        answer = await served.client.post(f"/api/v1/{path}", content=endless(), headers=headers)
        assert answer.status_code == 413
        assert answer.json()["code"] == "UsageError"


async def test_what_fits_is_read_and_bulk_data_has_limits_of_its_own(served: Served) -> None:
    spec = json.dumps({"name": "x", "experiment": "#" * (MAX_JSON_BYTES - 100)})
    answer = await served.client.post(
        "/api/v1/runs", content=spec, headers={"Content-Type": "application/json"}
    )
    assert answer.json()["code"] == "ExperimentError"
    assert bundle.MAX_BYTES > MAX_JSON_BYTES
    answer = await served.client.put(f"/api/v1/blobs/{'0' * 64}", content=b"x" * (5 * MIB))
    assert "don't have the hash" in answer.json()["detail"]


async def test_pages_of_other_sites_change_nothing(served: Served) -> None:
    for origin, status in (("http://evil.example", 403), (f"http://127.0.0.1:{served.port}", 404)):
        answer = await served.client.post("/api/v1/runs/x/stop", headers={"Origin": origin})
        assert answer.status_code == status
