"""`label`: the nodes that carry certain labels."""

from __future__ import annotations

from typing import Dict, Literal

from pydantic import Field

from fedbed.selection.base import Selection
from fedbed.selection.facts import Candidate, Choice, Situation, draw

_SHOWN = 4


class Label(Selection):
    """The nodes that carry all labels of `target`; of these `fraction`, drawn uniformly."""

    target: Dict[str, str] = Field(
        min_length=1,
        description="Labels that a node must carry to be asked, all of them.",
        json_schema_extra={"allowed": "at least one label, as in {device: jetson-nano}"},
    )
    otherwise: Literal["none", "all"] = Field(
        default="none",
        description="Whom to ask in a round in which no such node is there: nobody, which ends "
        "the run with an error, or all.",
    )

    def choose(self, situation: Situation) -> Choice:
        """Choose those that carry the labels."""
        wanted = ", ".join(f"{key}={value}" for key, value in self.target.items())
        fitting = [c for c in situation.candidates if self._fits(c)]
        if fitting:
            count = situation.wanted(len(fitting))
            return Choice.of((wanted, draw(situation.random(), fitting, count)))
        if self.otherwise == "all":
            everybody = [c.partition for c in situation.candidates]
            return Choice.of((f"nobody with {wanted} is there", everybody))
        shown = "; ".join(_carried(c) for c in situation.candidates[:_SHOWN])
        more = len(situation.candidates) - _SHOWN
        return Choice.of(
            nobody=f"no node here carries {wanted} ({shown}{f'; {more} more' if more > 0 else ''}):"
            f" start agents with --label, or set federation.selection.args.otherwise to all"
        )

    def _fits(self, candidate: Candidate) -> bool:
        return all(candidate.labels.get(key) == value for key, value in self.target.items())


def _carried(candidate: Candidate) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in candidate.labels.items())
    return f"{candidate.name}: {labels or 'no label'}"
