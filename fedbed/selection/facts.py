"""What a selection knows when it chooses, and what it answers. Plain data, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_MARK = 0x5E1
"""Keeps what is drawn here apart from whatever else is drawn from a run's seed."""


@dataclass(frozen=True)
class Part:
    """What became of a node's part in the training of one round that asked it. Seconds throughout.

    Of a part that came, the times are those that were measured. Of one that was late only
    `seconds` is known: it would have taken longer than that. Of any other absence nothing is.
    """

    round: int
    delivered: bool
    late: bool = False
    seconds: float = 0.0
    """Download, decoding, training, encoding and upload; a worker's first start isn't in it."""
    download_s: float = 0.0
    upload_s: float = 0.0
    loss: float | None = None
    """Mean training loss over the samples that the node saw."""


@dataclass(frozen=True)
class Candidate:
    """A node that could be asked."""

    partition: int
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    cpus: int = 1
    samples: int = 1
    """Training samples that it holds."""
    parts: tuple[Part, ...] = ()
    """Its part in each round that asked it, in order."""
    scores: tuple[tuple[int, float], ...] = ()
    """(round, accuracy of the global model on its own test samples), where it was tested there."""


@dataclass(frozen=True)
class Situation:
    """One round's question: whom to ask.

    candidates: the nodes that are there, by partition. share: of the candidates, how many a round
    asks. notes: by round, what the selection itself wrote down in earlier ones.
    """

    round: int
    rounds: int
    candidates: tuple[Candidate, ...]
    share: float = 1.0
    deadline_s: float = 600.0
    notes: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    seed: int = 0

    def wanted(self, of: int | None = None) -> int:
        """How many of so many nodes to ask (all candidates unless given); at least one."""
        return max(1, int((len(self.candidates) if of is None else of) * self.share))

    def random(self) -> np.random.RandomState:
        """Return the generator of this run and round: a restarted run chooses the same."""
        return np.random.RandomState([_MARK, self.seed % 2**32, self.round])


@dataclass(frozen=True)
class Choice:
    """Whom a round asks: (reason, partitions) in groups, and what to remember.

    Nobody twice; empty groups aren't there. nobody: why it is nobody, where it is.
    """

    because: tuple[tuple[str, tuple[int, ...]], ...]
    nobody: str = ""
    note: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, *groups: tuple[str, Sequence[int]], nobody: str = "", **note: Any) -> Choice:
        """Make a choice of groups, which may be empty and in any order."""
        kept = tuple((why, tuple(sorted(int(p) for p in who))) for why, who in groups if len(who))
        return cls(kept, nobody, note)

    @property
    def partitions(self) -> tuple[int, ...]:
        """Everybody who is asked, in order."""
        return tuple(sorted(p for _, group in self.because for p in group))


def draw(
    chance: np.random.RandomState,
    candidates: Sequence[Candidate],
    count: int,
    weights: Sequence[float] | None = None,
) -> list[int]:
    """Draw the partitions of up to `count` candidates, each once; weights: of 0 or more."""
    count = min(count, len(candidates))
    if count <= 0:
        return []
    chances = None
    if weights is not None:
        # A tiny chance for everybody: of all-zero weights one couldn't draw.
        raised = np.asarray(weights, dtype=np.float64) + 1e-9
        chances = raised / raised.sum()
    drawn = chance.choice(len(candidates), count, replace=False, p=chances)
    return sorted(candidates[int(place)].partition for place in drawn)
