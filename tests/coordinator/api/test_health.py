"""Knocking: what a node's doctor asks before it joins, or while its agent runs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from coordinator.api.health import MOST_PADDING
from coordinator.settings import ENROLLED
from tests.coordinator.serving import Served, serving


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
