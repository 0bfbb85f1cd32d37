"""Refusals over the real API: what counts, what it leads to, what outlives a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coordinator.fleet.conduct import KEPT
from coordinator.fleet.offences import Refusal
from tests.coordinator.serving import Arrays, Node, Served, serving, until

MODEL: Arrays = {"w": np.ones((2, 3), np.float32)}
NAN: Arrays = {"w": np.full((2, 3), np.nan, np.float32)}
EXPECT = [["w", "float32", [2, 3]]]


async def record(served: Served, name: str) -> dict[str, Any]:
    answer = await served.client.get(f"/api/v1/nodes/{name}")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def kinds(served: Served, name: str) -> list[tuple[str, bool]]:
    """Kind of each refusal in a node's record, oldest first, and whether it counts."""
    found = await record(served, name)
    return [(r["kind"], r["counts"]) for r in reversed(found["refusals"])]


async def offend(served: Served, node: Node, times: int) -> None:
    for number in range(times):
        (item,) = await served.send([node], f"run.{number:06d}", expect=EXPECT)
        answer = await node.put(item, node.result(item, {"w": np.zeros(9, np.float32)}))
        assert answer.status_code == 422


WRONG: dict[str, tuple[str, Arrays, dict[str, Any]]] = {
    "shape": ("shape", {"w": np.zeros((3, 2), np.float32)}, {}),
    "another name": ("shape", {"v": np.zeros((2, 3), np.float32)}, {}),
    "dtype": ("dtype", {"w": np.zeros((2, 3), np.float64)}, {}),
    "item": ("wrong-item", MODEL, {"item": "run.000001.7"}),
    "no timeline": ("malformed", MODEL, {"timeline": None}),
}


@pytest.mark.parametrize("what", WRONG)
async def test_an_offence_is_in_the_record_of_its_node(served: Served, what: str) -> None:
    kind, arrays, meta = WRONG[what]
    node = await served.join("pi-1")
    (item,) = await served.send([node], expect=EXPECT, retries=5)
    assert (await node.put(item, node.result("x", arrays, **{"item": item, **meta}))).is_error
    found = await record(served, "pi-1")
    assert found["offences"] == 1
    (refusal,) = found["refusals"]
    assert (refusal["kind"], refusal["counts"], refusal["run"]) == (kind, True, "run")
    assert refusal["item"] == item
    assert any("pi-1: offence 1 of 3" in e["text"] for e in served.centre.live.events())
    asked_again = (await node.poll(0.0)).json()["work"] is not None
    assert asked_again == (kind == "wrong-item"), "only where training again may mend it"


async def test_too_many_bytes_are_an_offence(served: Served) -> None:
    node = await served.join("pi-1")
    (item,) = await served.send([node], max_bytes=-(1 << 20) + 10)
    assert (await node.put(item, node.result(item, MODEL))).status_code == 422
    assert await kinds(served, "pi-1") == [("too-large", True)]


async def test_honest_nodes_have_no_offences(served: Served) -> None:
    one, two = await served.join("pi-1"), await served.join("pi-2")
    first, second = await served.send([one, two], expect=EXPECT, retries=3)
    data = one.result(first, MODEL)
    assert (await one.put(first, data, sha256="0" * 64)).status_code == 422  # damaged on its way
    assert (await one.put(first, one.result(first, error="no memory"))).status_code == 200
    assert (await one.put(first, data)).json()["status"] == "stored"
    assert (await one.put(first, data)).json()["status"] == "repeated"
    assert (await one.put(first, one.result(first, NAN))).status_code == 403
    served.centre.board.cancel("run")
    assert (await two.put(second, two.result(second, MODEL))).status_code == 403
    unknown = "20200101-000000-old-abcd.000001.0"  # of another coordinator's time
    assert (await two.put(unknown, two.result(unknown, MODEL))).status_code == 404
    assert await kinds(served, "pi-1") == [("damaged", False), ("duplicate", False)]
    assert await kinds(served, "pi-2") == [("late", False)]
    assert [m.offences for m in served.centre.fleet.fleet] == [0, 0]


async def test_another_node_s_item_is_unasked_unless_it_was_one_s_own_before(
    served: Served,
) -> None:
    one, two = await served.join("pi-1"), await served.join("pi-2")
    (item,) = await served.send([one])
    assert (await two.put(item, two.result(item, MODEL))).status_code == 404
    assert await kinds(served, "pi-2") == [("unasked", True)]
    await served.send([two])
    assert (await one.put(item, one.result(item, MODEL))).status_code == 404
    assert await kinds(served, "pi-1") == []


async def test_nan_counts_when_its_round_closes_and_only_if_the_others_had_none(
    served: Served,
) -> None:
    nodes = [await served.join(f"pi-{n}") for n in range(1, 4)]
    bad, *good = await served.send(nodes, expect=EXPECT, retries=1)
    for _ in range(2):
        assert (await nodes[0].put(bad, nodes[0].result(bad, NAN))).status_code == 422
    assert await kinds(served, "pi-1") == []
    for node, item in zip(nodes[1:], good, strict=True):
        await node.put(item, node.result(item, MODEL))
    assert not served.centre.board.windows
    served.centre.exchange.close("run.000001", [], 3)
    assert await kinds(served, "pi-1") == [("not-finite", True)]
    diverged = await served.send(nodes, "run.000002", expect=EXPECT)
    for node, item in zip(nodes, diverged, strict=True):
        await node.put(item, node.result(item, NAN))
    served.centre.exchange.close("run.000002", [], 3)
    assert await kinds(served, "pi-2") == [("not-finite", False)]
    assert [m.offences for m in served.centre.fleet.fleet] == [1, 0, 0]


async def test_after_three_a_node_is_set_aside_until_it_is_forgiven(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        node = await served.join("pi-1")
        (waiting,) = await served.send([node], "run.other", expect=EXPECT)
        await offend(served, node, 3)
        await until(lambda: served.state(node) == "drained", served.centre.live)
        assert not served.centre.board.windows, "nobody waits for what else it was asked"
        await served.send([node], "run.000009")
        assert (await node.poll(0.0)).json()["work"] is None
        assert (await node.put(waiting, node.result(waiting, MODEL))).status_code == 403
        wish = f"/api/v1/nodes/{node.id}/rest?resting=false"
        refused = await served.client.post(wish, headers=node.headers)
        assert refused.status_code == 403
        assert "pi-1 is set aside after 3 offences" in refused.json()["detail"]
    async with serving(tmp_path) as again:
        node = await again.join("pi-1")
        await node.poll(0.0)
        (seen,) = (await again.client.get("/api/v1/nodes")).json()
        assert (seen["state"], seen["offences"]) == ("drained", 3)
        assert seen["set_aside"].startswith("set aside after 3 offences: refused: array 'w'")
        assert (await again.client.post("/api/v1/nodes/pi-1/drain?drained=false")).is_success
    async with serving(tmp_path) as once_more:
        node = await once_more.join("pi-1")
        found = await record(once_more, "pi-1")
        assert (found["state"], found["offences"], found["set_aside"]) == ("join", 0, "")
        assert len(found["refusals"]) == 4, "what it did stays in its record"


async def test_what_an_experiment_has_asked_for_is_forgiven_at_its_end(served: Served) -> None:
    one, two = await served.join("pi-1"), await served.join("pi-2")
    conduct = served.centre.fleet.conduct

    def offends(node: Node, run: str, number: int, asked_for: bool) -> None:
        item = f"{run}.{number:06d}.0"
        conduct.refused(Refusal(node.id, run, item, "norm", "too long", asked_for), True)

    offends(one, "earlier", 0, True)
    offends(one, "run", 1, True)
    offends(one, "run", 2, True)
    offends(two, "run", 1, True)
    offends(two, "run", 2, False)
    offends(two, "run", 3, False)
    assert [served.member(n).offences for n in (one, two)] == [3, 3]
    assert all(served.member(n).drained for n in (one, two))
    for _ in range(2):
        await served.centre.fleet.run_is_over("run")
        assert [served.member(n).offences for n in (one, two)] == [1, 2]
        assert not any(served.member(n).drained for n in (one, two))
    offends(two, "run", 4, False)
    await served.centre.fleet.run_is_over("run")
    assert served.member(two).set_aside.startswith("set aside after 3 offences")
    found = await record(served, "pi-1")
    assert [(r["counts"], r["asked_for"]) for r in found["refusals"]] == [
        (False, True), (False, True), (True, True),
    ]  # fmt: skip


async def test_a_drained_node_is_drained_after_a_restart_too(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await served.join("pi-1")
        assert (await served.client.post("/api/v1/nodes/pi-1/drain")).is_success
        other = await served.join("pi-2")
        wish = await served.client.post(f"/api/v1/nodes/{other.id}/rest", headers=other.headers)
        assert wish.is_success
        await record(served, "pi-2")  # by the writer, behind what it has to write
    async with serving(tmp_path) as again:
        first, second = again.member(await again.join("pi-1")), await again.join("pi-2")
        assert (first.drained, first.drained_itself) == (True, False)
        member = again.member(second)
        assert (member.drained, member.drained_itself) == (True, True)
        again.centre.fleet.rest(member, False)
        assert not member.drained


async def test_the_run_s_process_says_of_a_result_what_the_door_could_not_see(
    served: Served,
) -> None:
    node = await served.join("pi-1")
    (item,) = await served.send([node], expect=EXPECT)
    await node.put(item, node.result(item, MODEL))
    said = {"item": item, "kind": "norm", "text": "10 times too long", "counts": True}
    said["asked_for"] = False
    for _ in range(2):
        served.centre.exchange.judge.refused_later("run", said)
        await served.centre.database.write(lambda _session: None)
    assert await kinds(served, "pi-1") == [("norm", True)], "a resumed run says it again"


async def test_a_record_does_not_grow_for_ever(served: Served) -> None:
    node = await served.join("pi-1")
    conduct = served.centre.fleet.conduct
    for number in range(KEPT + 20):
        conduct.refused(Refusal(node.id, "run", f"i{number}", "late", "late"), False)
    await served.centre.database.write(lambda _session: None)

    def count(session: Any) -> list[int]:
        from coordinator.store.tables import Offence

        return [row.id for row in session.query(Offence).order_by(Offence.id)]

    ids = served.centre.database.read(count)
    assert (len(ids), ids[-1]) == (KEPT, KEPT + 20)
    assert (await record(served, "pi-1"))["refusals"][0]["item"] == f"i{KEPT + 19}"
