"""The requests that don't pass through FastAPI answer as those that do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from coordinator.api.limits import MAX_JSON_BYTES
from coordinator.store import latest
from tests.coordinator.serving import Node, Served


@pytest.fixture
async def node(served: Served) -> Node:
    return await served.join("pi-1")


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_poll_of_another_form_is_refused(served: Served, node: Node) -> None:
    answer = await node.poll(0.0, holding="all")
    assert refusal(answer) == (422, "UsageError")
    assert answer.json()["detail"].startswith("body.holding: ")
    path = f"/api/v1/nodes/{node.id}/work"
    broken = await served.client.post(path, content=b"{", headers=node.headers)
    assert refusal(broken) == (422, "UsageError")


async def test_a_credential_is_asked_for(served: Served, node: Node) -> None:
    path = f"/api/v1/nodes/{node.id}/work"
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}):
        answer = await served.client.post(path, json={"wait_s": 0.0}, headers=headers)
        assert refusal(answer) == (401, "NotAdmitted")


async def test_a_node_polls_for_itself_only(served: Served, node: Node) -> None:
    other = await served.join("pi-2")
    path = f"/api/v1/nodes/{other.id}/work"
    answer = await served.client.post(path, json={"wait_s": 0.0}, headers=node.headers)
    assert refusal(answer) == (403, "Refused")


async def test_a_result_without_its_hash_is_refused(served: Served, node: Node) -> None:
    (item,) = await served.send([node])
    path = f"/api/v1/work/{item}/result"
    answer = await served.client.put(path, content=b"x", headers=node.headers)
    assert refusal(answer) == (422, "PayloadError")


async def test_pages_of_other_sites_are_refused(served: Served, node: Node) -> None:
    path = f"/api/v1/nodes/{node.id}/work"
    for origin, status in (
        ("http://evil.example", 403),
        (f"http://127.0.0.1:{served.port}", 200),
    ):
        headers = {**node.headers, "Origin": origin}
        answer = await served.client.post(path, json={"wait_s": 0.0}, headers=headers)
        assert answer.status_code == status


@pytest.mark.parametrize(("size", "kept"), [(10, 100), (3_000_000, 4_000_000), (101, 100)])
async def test_a_blob_comes_whole_or_from_where_it_broke_off(
    served: Served, node: Node, size: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latest, "KEPT_BYTES", kept)
    data = bytes(i % 251 for i in range(size))
    sha256 = served.centre.blobs.put(data).sha256
    for _ in range(2):
        whole = await served.client.get(f"/api/v1/blobs/{sha256}", headers=node.headers)
        assert (whole.status_code, whole.content) == (200, data)
        headers = {**node.headers, "Range": "bytes=4-"}
        rest = await served.client.get(f"/api/v1/blobs/{sha256}", headers=headers)
        assert (rest.status_code, rest.content) == (206, data[4:])


async def test_a_blob_of_a_run_is_for_its_nodes_only(
    served: Served, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = served.centre.runs
    sha256 = runs.blobs_of("theirs").put(b"a model").sha256
    of: dict[str, str | None] = {"run": "theirs"}
    monkeypatch.setattr(runs, "run_of", lambda _node: of["run"])
    path = f"/api/v1/blobs/{sha256}"
    assert (await served.client.get(path, headers=node.headers)).content == b"a model"
    for other in ("ours", None):
        of["run"] = other
        assert refusal(await served.client.get(path, headers=node.headers)) == (404, "NotFound")


async def test_a_node_that_hangs_up_before_its_report_is_whole_does_no_harm(
    served: Served, node: Node
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(
        f"POST /api/v1/nodes/{node.id}/work HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {node.token}\r\nContent-Length: 100\r\n\r\n{{".encode()
    )
    await writer.drain()
    writer.close()
    assert (await node.poll(0.0)).status_code == 200


async def test_the_short_ways_are_documented(served: Served) -> None:
    paths = (await served.client.get("/openapi.json")).json()["paths"]
    poll = paths["/api/v1/nodes/{node_id}/work"]["post"]
    schema = poll["requestBody"]["content"]["application/json"]["schema"]
    assert {"wait_s", "holding", "progress"} <= set(schema["properties"])
    assert "$ref" in poll["responses"]["200"]["content"]["application/json"]["schema"]
    result = paths["/api/v1/work/{item}/result"]["put"]
    named = {p["name"].lower() for p in result["parameters"]}
    assert {"content-length", "x-fedbed-sha256"} <= named
    assert "get" in paths["/api/v1/blobs/{sha256}"]


async def test_a_report_too_large_is_refused(served: Served, node: Node) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(MAX_JSON_BYTES // 1_000_000 + 1):
            yield b" " * 1_000_000

    path = f"/api/v1/nodes/{node.id}/work"
    answer = await served.client.post(path, content=chunks(), headers=node.headers)
    assert refusal(answer) == (413, "UsageError")
