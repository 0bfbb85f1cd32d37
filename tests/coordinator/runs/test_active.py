"""What a run's process is told of who is there."""

from __future__ import annotations

from typing import Any

from coordinator.runs.active import ActiveRun
from tests.coordinator.runs.test_service import app
from tests.coordinator.serving import Node, Served


def active(served: Served, nodes: list[Node], told: list[dict[str, Any]]) -> ActiveRun:
    centre = served.centre
    run = ActiveRun(
        "run",
        app(),
        1,
        served.folder,
        {p: node.id for p, node in enumerate(nodes)},
        centre.fleet.fleet,
        centre.board,
        centre.exchange,
        lambda _run, _message: None,
        centre.board.check,
    )
    run.process.tell = told.append  # type: ignore[assignment,method-assign]
    return run


async def test_who_watches_hears_who_is_there_and_of_changes_only(served: Served) -> None:
    told: list[dict[str, Any]] = []
    nodes = [await served.join(name) for name in ("pi-1", "pi-2")]
    run = active(served, nodes, told)
    run.fleet_changed()
    assert told == []
    await run.handle({"op": "watch", "window": "w"})
    assert (told[0]["event"], told[0]["window"]) == ("nodes", "w")
    assert [n["name"] for n in told[0]["nodes"]] == ["pi-1", "pi-2"]
    run.fleet_changed()
    assert len(told) == 1
    served.member(nodes[0]).drained = True
    run.fleet_changed()
    assert [n["partition"] for n in told[1]["nodes"]] == [1]
    await run.handle({"op": "watch", "window": "w"})
    assert told[2] == told[1]
    run.forget_questions()
    served.member(nodes[0]).drained = False
    run.fleet_changed()
    assert len(told) == 3
