from __future__ import annotations

import pytest

from coordinator.fleet.state import NodeFacts, NodeState, state_of

TABLE = [
    (NodeFacts(in_contact=True), NodeState.JOIN),
    (NodeFacts(in_contact=True, has_polled=True), NodeState.READY),
    (NodeFacts(in_contact=True, has_polled=True, working=True), NodeState.TRAINING),
    (NodeFacts(in_contact=True, has_polled=True, working=True, uploading=True), NodeState.UPDATE),
    (NodeFacts(in_contact=True, has_polled=True, delivered=True), NodeState.FINISH),
    (NodeFacts(in_contact=True, has_polled=True, working=True, delivered=True), NodeState.TRAINING),
    (NodeFacts(in_contact=True, has_polled=True, drained=True), NodeState.DRAINED),
    (NodeFacts(in_contact=True, has_polled=True, drained=True, working=True), NodeState.TRAINING),
    (NodeFacts(in_contact=True, has_polled=True, drained=True, delivered=True), NodeState.DRAINED),
    (NodeFacts(in_contact=False), NodeState.OFFLINE),
    (NodeFacts(False, True, True, True, True, True), NodeState.OFFLINE),
]


@pytest.mark.parametrize(("facts", "state"), TABLE)
def test_state_follows_from_the_facts(facts: NodeFacts, state: NodeState) -> None:
    assert state_of(facts) is state
