"""Bodies that come slowly: how slow is too slow, and what is answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from coordinator.api import app
from coordinator.api.limits import Paced
from coordinator.api.limits.pace import Pace, PaceRules
from tests.coordinator.serving import Node, Served, serving, until

QUICK = PaceRules(grace_s=0.3, least_bytes_s=1e6, pause_s=0.2)


def test_a_body_has_its_grace_and_then_what_it_has_earned() -> None:
    pace = Pace(PaceRules(grace_s=20.0, least_bytes_s=1000.0, pause_s=30.0))
    assert pace.patience_s() == 20.0
    pace.took(5.0, 0)
    assert pace.patience_s() == 15.0
    pace.took(14.0, 40_000)  # 40 s are paid for, and 19 have been waited
    assert pace.patience_s() == 21.0
    pace.took(21.0, 1)
    assert pace.patience_s() == pytest.approx(0.001, abs=1e-9)
    pace.took(1.0, 0)
    assert pace.patience_s() < 0


def test_no_pause_is_longer_than_a_pause_may_be_however_much_has_come() -> None:
    pace = Pace()
    pace.took(1.0, 100_000_000)
    assert pace.patience_s() == pace.rules.pause_s


def test_a_slow_link_that_keeps_its_pace_is_waited_for_without_end() -> None:
    pace = Pace()
    for _ in range(100_000):
        pace.took(1.0, 1001)
        assert pace.patience_s() > 0


@pytest.fixture
async def quick(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(app, "Paced", lambda inner: Paced(inner, QUICK, 0.05))
    async with serving(tmp_path / "served") as made:
        yield made


async def _begin(served: Served, head: str, body: bytes) -> tuple[Any, Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(f"{head}\r\nHost: x\r\n\r\n".encode() + body)
    return reader, writer


async def _refusal(reader: asyncio.StreamReader) -> tuple[bytes, dict[str, Any]]:
    """Read to the end: the connection must be closed."""
    async with asyncio.timeout(10):
        answer = await reader.read()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    return head.split(b" ")[1], json.loads(body)


@pytest.mark.parametrize("route", ["nodes", "runs", "nodes/{id}/work"])
async def test_a_body_that_stops_is_answered_and_the_connection_closed(
    quick: Served, route: str
) -> None:
    node = await quick.join("pi-1")
    head = f"POST /api/v1/{route} HTTP/1.1\r\nContent-Length: 40\r\nContent-Type: application/json"
    head = head.replace("{id}", node.id) + f"\r\nAuthorization: Bearer {node.token}"
    reader, writer = await _begin(quick, head, b"{")
    status, said = await _refusal(reader)
    writer.close()
    assert (status, said["code"]) == (b"408", "TooBusy")
    assert said["detail"].startswith("the request's body came too slowly: 1 B in ")


async def test_a_drip_is_too_slow_though_it_never_stops(quick: Served) -> None:
    address = "0" * 64
    head = f"PUT /api/v1/blobs/{address} HTTP/1.1\r\nContent-Length: 100000"
    reader, writer = await _begin(quick, head, b"x")

    async def drip() -> None:
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(drip())
    try:
        # What it goes on to send may meet a closed socket, whose reset overtakes the answer.
        with contextlib.suppress(ConnectionResetError):
            assert (await _refusal(reader))[0] == b"408"
    finally:
        dripping.cancel()
        writer.close()
    assert not [p for p in quick.centre.blobs.folder.rglob("*") if p.is_file()]


async def test_a_result_that_stops_can_be_sent_again(quick: Served) -> None:
    node = await quick.join("pi-1")
    (item,) = await quick.send([node])
    head = (
        f"PUT /api/v1/work/{item}/result HTTP/1.1\r\nContent-Length: 1000\r\n"
        f"Authorization: Bearer {node.token}\r\nX-Fedbed-Sha256: {'0' * 64}"
    )
    reader, writer = await _begin(quick, head, b"x" * 10)
    assert (await _refusal(reader))[0] == b"408"
    writer.close()
    answer = await node.put(item, node.result(item, arrays={}))
    assert answer.json()["status"] == "stored"


async def test_an_open_poll_is_not_timed_and_still_notices_a_closed_connection(
    quick: Served,
) -> None:
    node = await quick.join("pi-1")
    answer = await node.poll(0.0)
    held = asyncio.create_task(node.poll(1.0))
    await until(lambda: quick.member(node).contact.open_polls == 1, quick.centre.live)
    answer = await held  # longer than any pause that is allowed
    assert answer.status_code == 200
    await _hang_up_in_a_poll(quick, node)


async def _hang_up_in_a_poll(served: Served, node: Node) -> None:
    body = b'{"wait_s": 8}'
    head = (
        f"POST /api/v1/nodes/{node.id}/work HTTP/1.1\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: Bearer {node.token}"
    )
    _, writer = await _begin(served, head, body)
    contact = served.member(node).contact
    async with asyncio.timeout(5):
        while contact.open_polls == 0:
            await asyncio.sleep(0.01)
        writer.close()
        while contact.open_polls > 0:
            await asyncio.sleep(0.01)


async def test_who_is_cancelled_otherwise_is_not_told_of_slowness() -> None:
    async def never(*_: Any) -> Any:
        await asyncio.Event().wait()

    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    scope = {"type": "http", "method": "PUT"}
    task = asyncio.create_task(Paced(reads)(scope, never, never))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
