"""What all selections have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from fedbed.experiment.base import Section
from fedbed.selection.facts import Choice, Situation


class Selection(Section, ABC):
    """A way to choose the nodes of a round. Its fields are its arguments in the experiment file.

    Choosing is a pure function: the same situation, the same choice. What a selection has to
    remember stands in its choices' notes, which come back in later situations.
    """

    @abstractmethod
    def choose(self, situation: Situation) -> Choice:
        """Choose among the situation's candidates, of whom there is at least one."""
