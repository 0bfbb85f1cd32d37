"""A coordinator that asks for tokens: who gets in, who may do what, and what is noted."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from coordinator.settings import ENROLLED
from tests.coordinator.serving import Served, serving

SPEC = {"name": "x", "experiment": "name: x\ntask: mnist_mlp\n", "seed": 1}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path / "served", access=ENROLLED) as served:
        yield served


def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def admin_file(served: Served) -> Path:
    return served.folder / "state" / "admin.token"


@pytest.fixture
def admin(served: Served) -> dict[str, str]:
    return headers(admin_file(served).read_text().strip())


async def give_access(served: Served, admin: dict[str, str], role: str) -> dict[str, str]:
    answer = await served.client.post(
        "/api/v1/access", json={"name": f"the-{role}", "role": role}, headers=admin
    )
    assert answer.status_code == 200, answer.text
    return headers(answer.json()["token"])


async def enrol(served: Served, admin: dict[str, str], **wanted: Any) -> dict[str, Any]:
    answer = await served.client.post("/api/v1/enrolments", json=wanted, headers=admin)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def join(served: Served, name: str, token: str = "", key: str = "") -> httpx.Response:
    key = key or hashlib.sha256(name.encode()).hexdigest()
    return await served.client.post(
        "/api/v1/nodes", json={"name": name, "key": key}, headers=headers(token) if token else {}
    )


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_the_first_admins_token_is_for_its_owner_only(served: Served) -> None:
    assert stat.S_IMODE(admin_file(served).stat().st_mode) == 0o600


async def test_a_token_is_traded_once_for_a_credential(
    served: Served, admin: dict[str, str]
) -> None:
    assert refusal(await join(served, "pi-1")) == (401, "NotAdmitted")
    token = (await enrol(served, admin))["token"]
    first = await join(served, "pi-1", token)
    assert first.status_code == 200
    again = await join(served, "pi-1")
    assert again.json()["node_id"] == first.json()["node_id"], "its key is enough from now on"
    other = await join(served, "pi-2", token)
    assert refusal(other) == (401, "NotAdmitted")
    assert "used up by pi-1" in other.json()["detail"]
    listed = (await served.client.get("/api/v1/enrolments", headers=admin)).json()
    assert [(e["state"], e["used_by"]) for e in listed] == [("used up", ["pi-1"])]
    assert "token_sha256" not in listed[0]


async def test_who_could_not_be_entered_has_used_nothing(
    served: Served, admin: dict[str, str]
) -> None:
    token = (await enrol(served, admin, uses=2))["token"]
    await join(served, "pi-1", token)
    taken = await join(served, "pi-1", token, key="ab" * 32)
    assert refusal(taken) == (409, "NameTaken")
    malformed = await join(served, "../pi", token)
    assert refusal(malformed) == (403, "Refused")
    assert (await join(served, "pi-2", token)).status_code == 200


async def test_an_expired_or_revoked_token_lets_nobody_in(
    served: Served, admin: dict[str, str]
) -> None:
    brief = await enrol(served, admin, expires_s=0.05)
    await asyncio.sleep(0.06)
    late = await join(served, "pi-1", brief["token"])
    assert refusal(late) == (401, "NotAdmitted")
    assert "is expired" in late.json()["detail"]
    made = await enrol(served, admin)
    answer = await served.client.delete(f"/api/v1/enrolments/{made['id']}", headers=admin)
    assert answer.json() == {"revoked": made["id"]}
    assert "is revoked" in (await join(served, "pi-1", made["token"])).json()["detail"]


async def test_a_removed_node_is_out_at_once_and_needs_a_token_again(
    served: Served, admin: dict[str, str]
) -> None:
    token = (await enrol(served, admin))["token"]
    reply = (await join(served, "pi-1", token)).json()
    poll = f"/api/v1/nodes/{reply['node_id']}/work"
    waiting = asyncio.create_task(
        served.client.post(poll, json={"wait_s": 8.0}, headers=headers(reply["token"]))
    )
    await asyncio.sleep(0.1)
    assert (await served.client.post("/api/v1/nodes/pi-1/remove", headers=admin)).is_success
    async with asyncio.timeout(1.0):
        assert refusal(await waiting) == (401, "NotAdmitted")
    assert refusal(await join(served, "pi-1")) == (401, "NotAdmitted")


ROUTES = [
    ("viewer", "GET", "/api/v1/live", None),
    ("viewer", "GET", "/metrics", None),
    ("viewer", "GET", "/api/v1/nodes", None),
    ("viewer", "GET", "/api/v1/nodes/x", None),
    ("viewer", "GET", "/api/v1/runs", None),
    ("viewer", "GET", "/api/v1/runs/x", None),
    ("viewer", "GET", "/api/v1/runs/x/files", None),
    ("viewer", "GET", "/api/v1/runs/x/files/y", None),
    ("viewer", "GET", "/api/v1/session", None),
    ("operator", "POST", "/api/v1/runs", SPEC),
    ("operator", "POST", "/api/v1/runs/eligible", SPEC),
    ("operator", "POST", "/api/v1/runs/x/stop", None),
    ("operator", "POST", "/api/v1/nodes/x/drain", None),
    ("operator", "PUT", "/api/v1/blobs/" + "0" * 64, None),
    ("admin", "POST", "/api/v1/nodes/x/remove", None),
    ("admin", "POST", "/api/v1/enrolments", {}),
    ("admin", "GET", "/api/v1/enrolments", None),
    ("admin", "DELETE", "/api/v1/enrolments/x", None),
    ("admin", "POST", "/api/v1/access", {"name": "x", "role": "viewer"}),
    ("admin", "GET", "/api/v1/access", None),
    ("admin", "DELETE", "/api/v1/access/x", None),
]
OPEN_TO_ALL = {"/api/v1/health", "/api/v1/session"}
OF_NODES = {"/api/v1/nodes", "/api/v1/nodes/{node_id}/work", "/api/v1/nodes/{node_id}"}
OF_NODES |= {"/api/v1/nodes/{node_id}/rest"}
OF_NODES |= {"/api/v1/work/{item}/result", "/api/v1/blobs/{sha256}"}


@pytest.mark.parametrize(("role", "method", "path", "body"), ROUTES)
async def test_each_route_takes_its_role(
    role: str, method: str, path: str, body: Any, served: Served, admin: dict[str, str]
) -> None:
    ask = served.client.request
    nobody = await ask(method, path, json=body)
    assert refusal(nobody) == (401, "NotAdmitted")
    wrong = await ask(method, path, json=body, headers=headers("fedbed-access-wrong"))
    assert refusal(wrong) == (401, "NotAdmitted")
    roles = ["viewer", "operator", "admin"]
    for other in roles:
        caller = await give_access(served, admin, other)
        answer = await ask(method, path, json=body, headers=caller)
        if roles.index(other) < roles.index(role):
            assert refusal(answer) == (403, "Refused")
            assert f"the-{other} is {other} here" in answer.json()["detail"]
        else:
            assert answer.status_code not in (401, 403), answer.text


async def test_every_route_asks_for_somebody(served: Served) -> None:
    tested = {(method, path) for _, method, path, _ in ROUTES}
    for path, methods in (await served.client.get("/openapi.json")).json()["paths"].items():
        for method in methods:
            ours = path in OF_NODES | OPEN_TO_ALL or any(
                m == method.upper() and len(p.split("/")) == len(path.split("/")) for m, p in tested
            )
            assert ours, f"{method} {path} is in no list above"
            if path in OPEN_TO_ALL:
                continue
            filled = path.replace("{", "").replace("}", "")
            answer = await served.client.request(
                method, filled, json={"name": "x", "key": "ab" * 32}
            )
            assert refusal(answer) == (401, "NotAdmitted"), f"{method} {path}"


async def test_who_was_turned_away_is_noted_with_the_address(
    served: Served, admin: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    viewer = await give_access(served, admin, "viewer")
    with caplog.at_level(logging.WARNING, "fedbed.access"):
        await served.client.post("/api/v1/runs/x/stop", headers=viewer)
        await served.client.get("/api/v1/runs")
    first, second = caplog.messages
    assert first.startswith(
        "the-viewer (viewer) at 127.0.0.1 was turned away from POST /api/v1/runs/x/stop"
    )
    assert second.startswith("somebody unknown at 127.0.0.1 was turned away from GET /api/v1/runs")


async def test_access_ends_at_once(served: Served, admin: dict[str, str]) -> None:
    viewer = await give_access(served, admin, "viewer")
    assert (await served.client.get("/api/v1/runs", headers=viewer)).is_success
    await served.client.delete("/api/v1/access/the-viewer", headers=admin)
    assert (await served.client.get("/api/v1/runs", headers=viewer)).status_code == 401


async def test_the_last_admin_stays(served: Served, admin: dict[str, str]) -> None:
    alone = await served.client.delete("/api/v1/access/admin", headers=admin)
    assert refusal(alone) == (403, "Refused")
    assert "the only admin" in alone.json()["detail"]
    await give_access(served, admin, "admin")
    assert (await served.client.delete("/api/v1/access/admin", headers=admin)).is_success


async def test_who_waits_for_news_and_loses_access_gets_none(
    served: Served, admin: dict[str, str]
) -> None:
    viewer = await give_access(served, admin, "viewer")
    version = (await served.client.get("/api/v1/live", headers=viewer)).json()["version"]
    waiting = asyncio.create_task(
        served.client.get(f"/api/v1/live?after={version}&wait=20", headers=viewer)
    )
    await asyncio.sleep(0.1)
    await served.client.delete("/api/v1/access/the-viewer", headers=admin)
    async with asyncio.timeout(1.0):
        assert refusal(await waiting) == (401, "NotAdmitted")


async def test_a_browser_keeps_its_token_in_a_cookie(served: Served, admin: dict[str, str]) -> None:
    token = admin["Authorization"].removeprefix("Bearer ")
    wrong = await served.client.post("/api/v1/session", json={"token": "wrong"})
    assert refusal(wrong) == (401, "NotAdmitted")
    answer = await served.client.post("/api/v1/session", json={"token": token})
    assert answer.json() == {"name": "admin", "role": "admin"}
    flags = answer.headers["set-cookie"].lower()
    assert "httponly" in flags and "samesite=strict" in flags
    me = await served.client.get("/api/v1/session")
    assert me.json() == {"name": "admin", "role": "admin", "enrolled": True}
    await served.client.delete("/api/v1/session")
    assert (await served.client.get("/api/v1/session")).status_code == 401


async def test_all_of_it_outlives_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path / "served", access=ENROLLED) as served:
        admin = headers(admin_file(served).read_text().strip())
        viewer = await give_access(served, admin, "viewer")
        await join(served, "pi-1", (await enrol(served, admin))["token"])
        left = (await enrol(served, admin, uses=2))["token"]
        await join(served, "pi-2", left)
    async with serving(tmp_path / "served", access=ENROLLED) as served:
        assert (await served.client.get("/api/v1/access", headers=admin)).is_success
        assert (await served.client.get("/api/v1/runs", headers=viewer)).is_success
        assert (await join(served, "pi-1")).is_success
        assert (await join(served, "pi-3", left)).is_success
        assert (await join(served, "pi-4", left)).status_code == 401


async def test_a_lost_admin_token_is_replaced(tmp_path: Path) -> None:
    async with serving(tmp_path / "served", access=ENROLLED) as served:
        before = headers(admin_file(served).read_text().strip())
    admin_file(served).write_text("")
    async with serving(tmp_path / "served", access=ENROLLED) as served:
        after = headers(admin_file(served).read_text().strip())
        assert (await served.client.get("/api/v1/access", headers=before)).status_code == 401
        assert (await served.client.get("/api/v1/access", headers=after)).is_success
