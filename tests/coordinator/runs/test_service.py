"""The queue of runs, with real processes where one is needed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coordinator.runs.spec import RunSpec
from coordinator.store import tables
from fedbed.errors import NotFound, RunFailed
from tests.coordinator.serving import Served, until


def app(nodes: int = 2, sha256: str = "0" * 64) -> RunSpec:
    return RunSpec.of(
        {
            "name": "app",
            "bundle": {"sha256": sha256, "size": 1},
            "serverapp": "a:b",
            "clientapp": "a:c",
            "nodes": nodes,
        }
    )


async def test_a_queue_that_lacks_nodes_has_one_timer(served: Served) -> None:
    runs = served.centre.runs
    for _ in range(4):
        await runs.submit(app())
    loop = asyncio.get_running_loop()
    for _ in range(5):
        runs.dispatch()
    timers = [t for t in loop._scheduled if not t.cancelled() and "dispatch" in repr(t)]  # type: ignore[attr-defined]
    assert len(timers) == 1
    described = (await served.client.get("/api/v1/runs")).json()
    assert len(described) == 4
    assert "needs 2 nodes; ready: none; gives up in" in described[0]["wait"]


async def test_a_queued_run_can_be_stopped(served: Served) -> None:
    run_id = await served.centre.runs.submit(app())
    assert (await served.client.post(f"/api/v1/runs/{run_id}/stop")).status_code == 200
    assert served.centre.runs.ledger.row(run_id).state == "stopped"
    assert not served.centre.runs.any_active()
    with pytest.raises(RunFailed, match="stopped"):
        await served.centre.runs.cancel(run_id)
    with pytest.raises(NotFound):
        await served.centre.runs.cancel("nonsense")


async def test_a_run_that_cannot_work_fails_with_its_reason_and_leaves_nothing_open(
    served: Served,
) -> None:
    runs = served.centre.runs
    node = await served.join("pi-1", apps_allowed=True)
    run_id = await runs.submit(app(nodes=1))
    assert runs.run_of(node.id) == run_id
    left = tables.Work(id="x.0", run=run_id, node=node.id, state="open", fingerprint="")
    await served.centre.database.write(lambda s: s.add(left))
    await until(lambda: runs.ledger.row(run_id).state == "failed", served.centre.live, 60)
    assert runs.ledger.row(run_id).error_code == "NotFound"
    assert runs.ledger.row(run_id).starts == 1
    assert runs.run_of(node.id) is None
    row = served.centre.database.read(lambda s: s.get(tables.Work, "x.0"))
    assert row is not None
    assert row.state == "cancelled"
    first = (await served.client.get(f"/api/v1/runs/{run_id}")).json()["elapsed_s"]
    await asyncio.sleep(0.3)
    assert (await served.client.get(f"/api/v1/runs/{run_id}")).json()["elapsed_s"] == first


async def test_what_a_run_had_to_show_is_there_while_its_end_is_noted_and_afterwards(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = served.centre.runs
    await served.join("pi-1", apps_allowed=True)
    run_id = await runs.submit(app(nodes=1))
    runs._active[run_id].progress.take_in("traffic", {"up": 5, "down": 7})
    over = runs.on_over

    async def shown() -> dict[str, Any]:
        described: dict[str, Any] = (await served.client.get(f"/api/v1/runs/{run_id}")).json()
        return {key: described[key] for key in ("phase", "bytes_up", "elapsed_s")}

    seen: list[dict[str, Any]] = []

    async def look(run_id: str) -> None:
        seen.append(await shown())
        await over(run_id)

    monkeypatch.setattr(runs, "on_over", look)
    await until(lambda: runs.ledger.row(run_id).state == "failed", served.centre.live, 60)
    assert seen == [await shown()]
    assert (seen[0]["phase"], seen[0]["bytes_up"]) == ("failed", 5)


async def test_a_run_that_was_just_begun_can_be_stopped_and_shut_down(served: Served) -> None:
    runs = served.centre.runs
    await served.join("pi-1", apps_allowed=True)
    run_id = await runs.submit(app(nodes=1, sha256=served.centre.blobs.put(b"x").sha256))
    # Its process is not there yet: neither the word nor the end may get lost.
    await asyncio.wait_for(runs.stop(), 20)
    assert runs.ledger.row(run_id).state in ("queued", "running")


async def test_nodes_that_come_at_once_are_looked_at_together(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = served.centre.runs
    looks: list[int] = []
    monkeypatch.setattr(runs, "dispatch", lambda: looks.append(len(runs._fleet)))
    for _ in range(60):
        runs.fleet_changed()
    assert len(looks) <= 1
    await served.join("pi-1")
    async with asyncio.timeout(10):
        while not looks or looks[-1] < 1:
            await asyncio.sleep(0.01)
