"""`random`: a share of the nodes, drawn anew each round."""

from __future__ import annotations

from fedbed.selection.base import Selection
from fedbed.selection.facts import Choice, Situation, draw


class Random(Selection):
    """`fraction` of the nodes, drawn uniformly (McMahan et al., arXiv 1602.05629)."""

    def choose(self, situation: Situation) -> Choice:
        """Draw the share that is wanted."""
        drawn = draw(situation.random(), situation.candidates, situation.wanted())
        return Choice.of(("drawn at random", drawn))
