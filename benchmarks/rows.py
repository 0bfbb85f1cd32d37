"""One measured figure, beside the peer that ran in the same call and the goal it had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Row:
    """A line of the table. `peer` and `ours` have the same unit.

    ours: None if it couldn't be measured; the note says why. goal: the most (or with `at_least`,
    the least) that `ours` may be; of_ratio: the goal is one of `ratio` instead. peer: None where
    there is none, or where it couldn't run. note: what a reader of the figure must know.
    """

    what: str
    ours: float | None
    unit: str
    goal: float | None = None
    at_least: bool = False
    of_ratio: bool = False
    peer: float | None = None
    peer_name: str = ""
    note: str = ""

    @property
    def more_is_better(self) -> bool:
        """Whether it is a speed; times, sizes and shares are better when they are less."""
        return self.unit.endswith("/s")

    @property
    def ratio(self) -> float | None:
        """How many times better we are: the larger figure by the smaller where less is better.

        Where more is better (units that end in `/s`), ours by the peer's.
        """
        if self.peer is None or not self.ours or not self.peer:
            return None
        return self.ours / self.peer if self.more_is_better else self.peer / self.ours

    @property
    def reached(self) -> bool | None:
        """Whether the goal is met; None without a goal, or without the figure that it is about."""
        figure = self.ratio if self.of_ratio else self.ours
        if self.goal is None or figure is None:
            return None
        return figure >= self.goal if self.at_least else figure <= self.goal

    @property
    def ratio_at_goal(self) -> float | None:
        """The ratio that a figure right on the goal would have; None without goal or peer."""
        if self.goal is None or not self.peer:
            return None
        if self.of_ratio:
            return self.goal
        return self.goal / self.peer if self.more_is_better else self.peer / self.goal

    def to_json(self) -> dict[str, Any]:
        """Return all fields, and the ratio and the verdict that follow from them."""
        return {**asdict(self), "ratio": self.ratio, "reached": self.reached}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Row:
        """Read what `to_json` gave."""
        return cls(**{field.name: data[field.name] for field in fields(cls)})
