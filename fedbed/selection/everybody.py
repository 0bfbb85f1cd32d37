"""`all`: every node that is there."""

from __future__ import annotations

from fedbed.selection.base import Selection
from fedbed.selection.facts import Choice, Situation


class All(Selection):
    """Every node, in every round."""

    def choose(self, situation: Situation) -> Choice:
        """Choose all candidates."""
        return Choice.of(("everybody", [c.partition for c in situation.candidates]))
