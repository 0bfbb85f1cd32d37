"""The fleet over the real API: real HTTP, real sockets."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from coordinator.fleet.contact import CUT_GRACE_S, SILENCE_S
from tests.coordinator.serving import Node, Served, serving, until


async def open_poll(served: Served, node: Node, **report: object) -> asyncio.StreamWriter:
    """Open a poll on a socket of its own; returns once the coordinator holds it."""
    polls = served.centre.fleet._polls
    before = polls.get(node.id)
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    body = json.dumps({"wait_s": 8.0, **report}).encode()
    writer.write(
        f"POST /api/v1/nodes/{node.id}/work HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {node.token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    await writer.drain()
    async with asyncio.timeout(10):
        while polls.get(node.id) is before:
            await asyncio.sleep(0.005)
    return writer


async def settled(served: Served, node: Node) -> None:
    """Get over the first answer, which tells a node of its run."""
    assert (await node.poll(0.0)).status_code == 200


async def test_a_poll_is_answered_at_once_when_work_appears(served: Served) -> None:
    node = await served.join("pi-1")
    await settled(served, node)
    poll = asyncio.create_task(node.poll())
    await until(lambda: served.member(node).contact.open_polls == 1, served.centre.live)
    assert served.state(node) == "ready"
    began = time.monotonic()
    await served.send([node])
    reply = (await poll).json()
    assert time.monotonic() - began < 2
    assert reply["work"]["id"] == "run.000001.0"
    assert served.state(node) == "training"


async def test_an_idle_poll_is_answered_after_its_time(served: Served) -> None:
    node = await served.join("pi-1")
    await settled(served, node)
    reply = (await node.poll(0.05)).json()
    assert (reply["work"], reply["drop"]) == (None, [])


async def test_stale_items_are_dropped(served: Served) -> None:
    node = await served.join("pi-1")
    assert (await node.poll(8.0, holding=["old.0"])).json()["drop"] == ["old.0"]


async def test_a_cut_connection_is_noticed_soon(served: Served) -> None:
    node = await served.join("pi-1")
    await settled(served, node)
    writer = await open_poll(served, node)
    assert served.state(node) == "ready"
    began = time.monotonic()
    writer.transport.abort()
    await until(lambda: not served.member(node).live, served.centre.live)
    assert CUT_GRACE_S <= time.monotonic() - began < SILENCE_S
    assert served.state(node) == "offline"
    assert served.centre.live.events()[-1]["text"] == "pi-1 is lost"


async def test_the_newest_poll_wins(served: Served) -> None:
    node = await served.join("pi-1")
    await settled(served, node)
    older = asyncio.create_task(node.poll())
    await until(lambda: served.member(node).contact.open_polls == 1, served.centre.live)
    newer = await open_poll(served, node)
    assert (await asyncio.wait_for(older, 5)).json()["work"] is None
    await served.send([node])
    await until(lambda: served.centre.board.is_working(node.id), served.centre.live)
    assert served.member(node).live
    newer.close()


async def test_a_node_that_joins_again_takes_its_polls_over(served: Served) -> None:
    node = await served.join("pi-1")
    await settled(served, node)
    older = asyncio.create_task(node.poll())
    await until(lambda: served.member(node).contact.open_polls == 1, served.centre.live)
    again = await served.join("pi-1")
    assert (await asyncio.wait_for(older, 5)).status_code == 401
    assert (await node.poll(0.0)).status_code == 401
    assert (await again.poll(0.0)).status_code == 200


async def test_the_loss_after_a_rejoin_is_noticed_though_the_old_poll_outlived_it(
    served: Served,
) -> None:
    node = await served.join("pi-1")
    await settled(served, node)
    old_self = served.member(node)
    old_self.contact.poll_opened(time.monotonic())
    await served.join("pi-1")
    old_self.contact.poll_closed(time.monotonic(), cut=True)
    served.centre.fleet._watch(old_self)
    await until(lambda: not served.member(node).live, served.centre.live)
    assert served.state(node) == "offline"


async def test_leaving_is_seen_at_once(served: Served) -> None:
    node = await served.join("pi-1")
    await settled(served, node)
    left = await served.client.delete(f"/api/v1/nodes/{node.id}", headers=node.headers)
    assert left.json() == {"left": "pi-1"}
    assert served.state(node) == "offline"
    assert (await node.poll(0.0)).status_code == 200
    assert served.state(node) == "ready"


async def test_a_drained_node_gets_no_new_work(served: Served) -> None:
    node = await served.join("pi-1")
    await settled(served, node)
    await served.client.post("/api/v1/nodes/pi-1/drain")
    assert served.state(node) == "drained"
    await served.send([node])
    assert (await node.poll(0.0)).json()["work"] is None
    await served.client.post("/api/v1/nodes/pi-1/drain", params={"drained": "false"})
    assert (await node.poll(0.0)).json()["work"]["id"] == "run.000001.0"


async def rest(served: Served, node: Node, resting: bool = True) -> tuple[int, str]:
    """Ask for no new work, as a node; returns the status and what was said."""
    answer = await served.client.post(
        f"/api/v1/nodes/{node.id}/rest", params={"resting": resting}, headers=node.headers
    )
    return answer.status_code, answer.text


async def test_a_node_may_drain_itself_and_take_that_back(served: Served) -> None:
    node = await served.join("pi-1")
    await settled(served, node)
    assert await rest(served, node) == (200, '{"name":"pi-1","drained":true}')
    assert served.state(node) == "drained"
    await served.send([node])
    reply = (await node.poll(0.0)).json()
    assert (reply["work"], reply["drained"]) == (None, True)
    assert await rest(served, node, resting=False) == (200, '{"name":"pi-1","drained":false}')
    reply = (await node.poll(0.0)).json()
    assert (reply["work"]["id"], reply["drained"]) == ("run.000001.0", False)


async def test_a_node_drains_no_other(served: Served) -> None:
    one, two = await served.join("pi-1"), await served.join("pi-2")
    path = f"/api/v1/nodes/{one.id}/rest"
    assert (await served.client.post(path, headers=two.headers)).status_code == 403
    assert (await served.client.post(path)).status_code == 401
    assert not served.member(one).drained


@pytest.mark.parametrize("asked_before", [True, False])
async def test_what_an_operator_has_drained_a_node_cannot_resume(
    served: Served, asked_before: bool
) -> None:
    node = await served.join("pi-1")
    if asked_before:
        await rest(served, node)
    await served.client.post("/api/v1/nodes/pi-1/drain")
    assert (await rest(served, node))[0] == 200, "it is so already"
    status, said = await rest(served, node, resting=False)
    assert status == 403
    assert "pi-1 is drained by an operator: only an operator can change that" in said
    assert served.member(node).drained
    await served.client.post("/api/v1/nodes/pi-1/drain", params={"drained": "false"})
    assert not served.member(node).drained


async def test_a_node_hears_at_once_that_it_is_drained(served: Served) -> None:
    node = await served.join("pi-1")
    await settled(served, node)
    poll = asyncio.create_task(node.poll())
    await until(lambda: served.member(node).contact.open_polls == 1, served.centre.live)
    await served.client.post("/api/v1/nodes/pi-1/drain")
    assert (await asyncio.wait_for(poll, 5)).json()["drained"] is True


async def test_a_removed_node_has_no_poll_and_no_credential(served: Served) -> None:
    node = await served.join("pi-1")
    await settled(served, node)
    poll = asyncio.create_task(node.poll())
    await until(lambda: served.member(node).contact.open_polls == 1, served.centre.live)
    assert (await served.client.post("/api/v1/nodes/pi-1/remove")).status_code == 200
    assert (await asyncio.wait_for(poll, 5)).status_code == 401
    assert (await node.poll(0.0)).status_code == 401
    assert (await served.client.get("/api/v1/nodes")).json() == []


async def test_only_a_node_itself_polls_and_leaves(served: Served) -> None:
    one, two = await served.join("pi-1"), await served.join("pi-2")
    path = f"/api/v1/nodes/{one.id}"
    for headers, status in (({}, 401), ({"Authorization": "Bearer x"}, 401), (two.headers, 403)):
        answer = await served.client.post(f"{path}/work", json={}, headers=headers)
        assert answer.status_code == status
        assert (await served.client.delete(path, headers=headers)).status_code == status
    assert served.member(one).live


async def test_a_taken_name_is_a_conflict(served: Served) -> None:
    await served.join("pi-1")
    answer = await served.client.post("/api/v1/nodes", json={"name": "pi-1", "key": "0" * 64})
    assert (answer.status_code, answer.json()["code"]) == (409, "NameTaken")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1e400", "7"])
async def test_no_figure_of_a_node_breaks_the_picture(served: Served, number: str) -> None:
    node = await served.join("pi-1")
    await served.send([node])
    body = (
        f'{{"wait_s": {number}, "holding": ["run.000001.0", "old.0"],'
        f' "progress": {{"x": {number}}}, "cost": {{"cpu_s": {number}, "uptime_s": {number}}}}}'
    )
    await asyncio.wait_for(
        served.client.post(
            f"/api/v1/nodes/{node.id}/work",
            content=body,
            headers={**node.headers, "Content-Type": "application/json"},
        ),
        15,
    )
    picture = await served.client.get("/api/v1/live")
    assert picture.status_code == 200
    assert 0.0 <= picture.json()["nodes"][0]["progress"] <= 1.0


async def test_the_fleet_is_remembered(served: Served) -> None:
    node = await served.join("pi-1", labels={"kind": "pi"})
    folder = served.folder
    await served.centre.stop()
    async with serving(folder) as again:
        (known,) = (await again.client.get("/api/v1/nodes")).json()
        assert (known["name"], known["state"], known["labels"]) == (
            "pi-1", "offline", {"kind": "pi"},
        )  # fmt: skip
        same = Node(again.client, node.id, node.name, node.token, folder)
        assert (await same.poll(0.0)).status_code == 200
        assert again.state(same) == "ready"
