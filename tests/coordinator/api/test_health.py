"""Knocking, as a node's doctor does, and check-ups that operators ask nodes for."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from coordinator.api.health import MOST_PADDING
from coordinator.settings import ENROLLED
from tests.coordinator.serving import Node, Served, serving, until


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path / "served") as served:
        yield served


async def knock(served: Served, name: str, token: str = "", /, **more: Any) -> httpx.Response:
    key = hashlib.sha256(name.encode()).hexdigest()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = {"name": name, "key": key, **more}
    return await served.client.post("/api/v1/knock", json=body, headers=headers)


async def test_a_knock_changes_nothing_and_tells_whether_the_node_is_known(served: Served) -> None:
    new = (await knock(served, "pi-1")).json()
    assert (new["known"], new["withheld"], new["padding"]) == (False, "", "")
    assert abs(new["now_s"] - time.time()) < 60
    assert len(served.centre.fleet.fleet) == 0
    node = await served.join("pi-1")
    assert (await knock(served, "pi-1")).json()["known"] is True
    assert (await node.poll(0.0)).status_code == 200, "its credential is as good as before"


async def test_it_is_refused_as_joining_would_be(served: Served) -> None:
    await served.join("pi-1")
    for body, code in [
        ({"key": "0" * 64}, "NameTaken"),
        ({"name": "a b"}, "Refused"),
        ({"key": "0"}, "Refused"),
    ]:
        assert (await knock(served, "pi-1", **body)).json()["code"] == code
    assert (await knock(served, "pi-1", want_bytes="many")).status_code == 422


async def test_padding_goes_both_ways_within_limits(served: Served) -> None:
    answer = await knock(served, "pi-1", padding="x" * MOST_PADDING, want_bytes=10**12)
    assert len(answer.json()["padding"]) == MOST_PADDING
    assert len((await knock(served, "pi-1", want_bytes=-5)).json()["padding"]) == 0
    assert (await knock(served, "pi-1", padding="x" * 2_000_000)).status_code == 413


async def test_a_drained_node_hears_of_it(served: Served) -> None:
    node = await served.join("pi-1")
    served.centre.fleet.drain(served.member(node), True)
    assert "is drained" in (await knock(served, "pi-1")).json()["withheld"]


async def test_where_nodes_are_enrolled_only_who_would_be_let_in_gets_an_answer(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path / "served", access=ENROLLED) as served:
        token = (served.folder / "state" / "admin.token").read_text().strip()
        admin = {"Authorization": f"Bearer {token}"}
        made = await served.client.post("/api/v1/enrolments", json={}, headers=admin)
        enrolment = made.json()["token"]
        for wrong in ("", "nonsense", token):
            assert (await knock(served, "pi-1", wrong)).json()["code"] == "NotAdmitted"
        for _ in range(3):
            assert (await knock(served, "pi-1", enrolment)).json()["known"] is False
        (shown,) = (await served.client.get("/api/v1/enrolments", headers=admin)).json()
        assert shown["state"] == "valid", "a knock doesn't use the token up"
        key = hashlib.sha256(b"pi-1").hexdigest()
        joined = await served.client.post(
            "/api/v1/nodes",
            json={"name": "pi-1", "key": key},
            headers={"Authorization": f"Bearer {enrolment}"},
        )
        assert joined.status_code == 200
        assert (await knock(served, "pi-1")).json()["known"] is True, "its key is enough now"


ABLE = {"profile": {"abilities": ["checkup"]}}
FINDING = {"check": "disk", "level": "fail", "found": "full", "why": "w", "mend": "m"}


async def test_a_node_is_asked_by_its_open_poll_and_answers(served: Served) -> None:
    node = await served.join("pi-1", **ABLE)
    await node.poll(0.0)
    poll = asyncio.create_task(node.poll())
    await until(lambda: served.member(node).contact.open_polls == 1, served.centre.live)
    order = {"memory_bytes": 7, "packages": ["torch"], "dataset": "mnist"}
    asked = (await served.client.post("/api/v1/nodes/pi-1/checkup", json=order)).json()
    told = (await poll).json()["checkup"]
    assert told == {"id": asked["checkup"], **order}
    assert (await node.poll(0.0)).json()["checkup"] is None
    (shown,) = (await served.client.get("/api/v1/nodes")).json()
    assert shown["health"] == "asked"
    answer = await tell(node, {"checkup": told["id"], "findings": [FINDING], "took_s": 2.5})
    assert answer.status_code == 200
    health = (await served.client.get("/api/v1/nodes/pi-1/health")).json()
    assert (health["name"], health["pending"]) == ("pi-1", False)
    assert health["report"]["findings"] == [FINDING]
    (shown,) = (await served.client.get("/api/v1/nodes")).json()
    assert shown["health"] == "fail"


async def tell(node: Node, report: dict[str, Any]) -> httpx.Response:
    return await node.client.post(
        f"/api/v1/nodes/{node.id}/health", json=report, headers=node.headers
    )


async def test_who_cannot_be_asked(served: Served) -> None:
    old = await served.join("old")
    await old.poll(0.0)
    refused = await served.client.post("/api/v1/nodes/old/checkup", json={})
    assert (refused.status_code, refused.json()["code"]) == (403, "Refused")
    away = await served.join("away", **ABLE)
    await served.client.delete(f"/api/v1/nodes/{away.id}", headers=away.headers)
    missing = await served.client.post("/api/v1/nodes/away/checkup", json={})
    assert (missing.status_code, missing.json()["code"]) == (409, "NodesMissing")
    nobody = await served.client.post("/api/v1/nodes/nobody/checkup", json={})
    assert nobody.status_code == 404


async def test_a_node_speaks_for_itself_only_and_only_when_asked(served: Served) -> None:
    first, second = await served.join("pi-1", **ABLE), await served.join("pi-2", **ABLE)
    await first.poll(0.0)
    asked = (await served.client.post("/api/v1/nodes/pi-1/checkup", json={})).json()["checkup"]
    report = {"checkup": asked, "findings": [FINDING]}
    stranger = await second.client.post(
        f"/api/v1/nodes/{first.id}/health", json=report, headers=second.headers
    )
    assert stranger.status_code == 403
    assert (await tell(second, report)).status_code == 403
    assert (await tell(first, {**report, "findings": "none"})).status_code == 422
    assert (
        await tell(first, {**report, "findings": [{**FINDING, "level": "!"}]})
    ).status_code == 400
    long = {**FINDING, "found": "x" * 100_000}
    assert (await tell(first, {**report, "findings": [long]})).status_code == 413
    assert (await tell(first, report)).status_code == 200


async def test_roles(tmp_path: Path) -> None:
    async with serving(tmp_path / "served", access=ENROLLED) as served:
        token = (served.folder / "state" / "admin.token").read_text().strip()
        admin = {"Authorization": f"Bearer {token}"}
        wish = {"name": "v", "role": "viewer"}
        made = await served.client.post("/api/v1/access", json=wish, headers=admin)
        viewer = {"Authorization": f"Bearer {made.json()['token']}"}
        post, get = served.client.post, served.client.get
        for headers, status in ((viewer, 403), ({}, 401)):
            answer = await post("/api/v1/nodes/x/checkup", json={}, headers=headers)
            assert answer.status_code == status
        assert (await get("/api/v1/nodes/x/health")).status_code == 401
        assert (await get("/api/v1/nodes/x/health", headers=viewer)).status_code == 404
