"""A node's state, derived from facts by one pure function: it can't get out of step with them.

join ──first poll──> ready ──work sent──> training ──upload begins──> update
                       ^                     ^                           │
                       │                     └───────next work───────┐   v  result stored
                       └────────────── round or run over ─────────── finish
offline: not in contact (from any state, and back).   drained: takes no new work.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class NodeState(StrEnum):
    """What a node does, as shown on the page, in the API and on the command line."""

    JOIN = "join"
    READY = "ready"
    TRAINING = "training"
    UPDATE = "update"
    FINISH = "finish"
    OFFLINE = "offline"
    DRAINED = "drained"


@dataclass(frozen=True)
class NodeFacts:
    """All that a node's state depends on."""

    in_contact: bool
    has_polled: bool = False
    drained: bool = False
    working: bool = False
    """Work was sent to it and is not answered."""
    uploading: bool = False
    delivered: bool = False
    """Its part of a round that is still open is in."""


def state_of(facts: NodeFacts) -> NodeState:
    """Return the state; the first line that holds decides."""
    if not facts.in_contact:
        return NodeState.OFFLINE
    if facts.uploading:
        return NodeState.UPDATE
    if facts.working:
        return NodeState.TRAINING
    if facts.drained:
        return NodeState.DRAINED
    if facts.delivered:
        return NodeState.FINISH
    return NodeState.READY if facts.has_polled else NodeState.JOIN
