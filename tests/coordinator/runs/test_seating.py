"""Who takes part in which run, and who takes over what others have left."""

from __future__ import annotations

import hashlib

import pytest

from coordinator.fleet.fleet import Fleet, Member
from coordinator.runs.seating import Seating
from fedbed.link.messages import JoinRequest
from tests.coordinator.runs.test_service import app


def join(fleet: Fleet, name: str) -> Member:
    key = hashlib.sha256(name.encode()).hexdigest()
    member, _ = fleet.join(JoinRequest(name, key, apps_allowed=True), 0.0)
    member.live = True
    return member


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
def seating(fleet: Fleet) -> Seating:
    return Seating(fleet)


def busy(seating: Seating) -> dict[str, str | None]:
    return {c.name: c.busy_with for c in seating.candidates(app())}


def test_a_node_is_busy_from_its_run_s_begin_to_its_end(fleet: Fleet, seating: Seating) -> None:
    nodes = [join(fleet, name) for name in ("pi-1", "pi-2", "pi-3")]
    seating.take("a", {0: nodes[0].id, 1: nodes[0].id})
    seating.take("b", {0: nodes[1].id})
    assert busy(seating) == {"pi-1": "a", "pi-2": "b", "pi-3": None}
    assert seating.run_of(nodes[0].id) == "a"
    seating.release("a")
    assert busy(seating) == {"pi-1": None, "pi-2": "b", "pi-3": None}


def test_newcomers_take_over_all_that_a_node_had_that_left(fleet: Fleet, seating: Seating) -> None:
    stays, leaves = join(fleet, "pi-1"), join(fleet, "pi-2")
    roster = {0: stays.id, 1: leaves.id, 2: stays.id, 3: leaves.id}
    seating.take("a", roster)
    leaves.contact.left = True
    leaves.live = False
    comes = join(fleet, "pi-3")
    (newcomer,) = seating.fill("a", app(nodes=4), roster)
    assert newcomer.describe() == "pi-3 takes part as partition 1 and 1 more"
    assert roster == {0: stays.id, 1: comes.id, 2: stays.id, 3: comes.id}
    assert busy(seating) == {"pi-1": "a", "pi-2": None, "pi-3": "a"}


def test_a_removed_node_s_place_and_one_never_filled_go_to_one_node_each(
    fleet: Fleet, seating: Seating
) -> None:
    removed = join(fleet, "pi-1")
    roster = {0: removed.id}
    seating.take("a", roster)
    fleet.forget(removed.id)
    comes = [join(fleet, name) for name in ("pi-2", "pi-3", "pi-4")]
    said = [newcomer.describe() for newcomer in seating.fill("a", app(nodes=2), roster)]
    assert said == ["pi-2 takes part as partition 0", "pi-3 takes part as partition 1"]
    assert roster == {0: comes[0].id, 1: comes[1].id}


def test_who_is_lost_for_a_while_keeps_its_place_and_the_busy_are_left_alone(
    fleet: Fleet, seating: Seating
) -> None:
    lost, elsewhere = join(fleet, "pi-1"), join(fleet, "pi-2")
    lost.live = False
    seating.take("b", {0: elsewhere.id})
    roster = {0: lost.id}
    assert seating.fill("a", app(nodes=1), roster) == []
    assert seating.fill("a", app(nodes=2), roster) == []
    assert roster == {0: lost.id}
    assert seating.run_of(elsewhere.id) == "b"
