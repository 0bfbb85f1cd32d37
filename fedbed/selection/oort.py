"""`oort`: nodes from which much is to be learnt in little time (Lai et al., arXiv 2010.06081)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field

from fedbed.selection.base import Selection
from fedbed.selection.facts import Candidate, Choice, Situation, draw
from fedbed.selection.timing import Times, expected, work

_CLIP = 0.95
"""Quantile that a utility counts at most: one odd loss shall not decide."""
_MEMORY = 20
"""How many rounds a measured duration counts."""


class Oort(Selection):
    """Nodes whose samples are still badly known and that are quick (Lai et al., arXiv 2010.06081).

    A node is worth its number of samples times its training loss, less where it takes longer than
    the preferred duration, more the longer ago it was asked. The paper takes the root of the mean
    squared loss; nodes here report the mean loss, which stands for it. `epsilon` of those asked
    are nodes that never were. The preferred duration is a quantile of all nodes' durations, and
    rises when less is learnt than before.
    """

    epsilon: float = Field(
        default=0.9, ge=0, le=1, description="Share of a round for nodes never asked, at first."
    )
    epsilon_decay: float = Field(
        default=0.98, gt=0, le=1, description="Factor on that share per round."
    )
    epsilon_least: float = Field(default=0.2, ge=0, le=1, description="Where it stops falling.")
    alpha: float = Field(
        default=2.0, ge=0, le=100, description="How much slowness costs; 0: nothing."
    )
    cut: float = Field(
        default=0.95,
        gt=0,
        le=1,
        description="Share of the worst needed node's worth from which on a node may be drawn.",
    )
    pace: float = Field(
        default=0.5, gt=0, le=1, description="Quantile of durations that is preferred at first."
    )
    pace_step: float = Field(default=0.1, ge=0, le=1, description="By how much it rises.")
    window: int = Field(
        default=20, ge=1, le=100_000, description="Rounds that are compared with those before."
    )

    def choose(self, situation: Situation) -> Choice:
        """Choose from those asked before by worth, from the others by speed."""
        everybody, random = situation.candidates, situation.random()
        asked = [c for c in everybody if c.parts]
        fresh = [c for c in everybody if not c.parts]
        count = situation.wanted()
        share = max(self.epsilon_least, self.epsilon * self.epsilon_decay ** (situation.round - 1))
        known = min(len(asked), count - min(len(fresh), math.ceil(share * count)))
        times = expected(everybody, situation.round - _MEMORY)
        pace = self._pace(situation)
        worth = self._worths(asked, times, pace, situation.round)
        pool = _above_cut(asked, worth, known, self.cut)
        best = draw(random, pool, known, [worth[c.partition] for c in pool])
        new = draw(random, fresh, count - known, [_speed(c, times) for c in fresh])
        return Choice.of(("much to learn, soon", best), ("not asked before", new), pace=pace)

    def _worths(
        self,
        asked: Sequence[Candidate],
        times: Mapping[int, Times | None],
        pace: float,
        number: int,
    ) -> dict[int, float]:
        learnt = _scaled([_utility(c) for c in asked])
        known = [t.total_s for c in asked if (t := times[c.partition]) is not None]
        preferred_s = float(np.quantile(known, pace)) if known else math.inf
        worth: dict[int, float] = {}
        for candidate, value in zip(asked, learnt, strict=True):
            value += math.sqrt(0.1 * math.log(number) / candidate.parts[-1].round)
            took = times[candidate.partition]
            if took is not None and took.total_s > preferred_s:
                value *= (preferred_s / took.total_s) ** self.alpha
            worth[candidate.partition] = value
        return worth

    def _pace(self, situation: Situation) -> float:
        """Raise the quantile when the last window's rounds taught less than those before."""
        last = max(situation.notes, default=0)
        pace = float(situation.notes[last]["pace"]) if last else self.pace
        done, window = situation.round - 1, self.window
        if done < 2 * window or done % window:
            return pace
        by_round: dict[int, float] = {}
        for candidate in situation.candidates:
            for part in candidate.parts:
                gain = candidate.samples * (part.loss or 0.0)
                by_round[part.round] = by_round.get(part.round, 0.0) + gain
        recent = sum(by_round.get(r, 0.0) for r in range(done - window + 1, done + 1))
        before = sum(by_round.get(r, 0.0) for r in range(done - 2 * window + 1, done - window + 1))
        return min(1.0, pace + self.pace_step) if before > recent else pace


def _utility(candidate: Candidate) -> float:
    """Return the statistical utility as of the node's last update; 0 where none ever came."""
    losses = [part.loss for part in candidate.parts if part.loss is not None]
    return candidate.samples * max(0.0, losses[-1]) if losses else 0.0


def _scaled(values: Sequence[float]) -> list[float]:
    """Clip from above and bring into 0..1, where the bonus for being old weighs as in the paper."""
    if not values:
        return []
    clipped = np.minimum(values, np.quantile(values, _CLIP))
    low, high = float(clipped.min()), float(clipped.max())
    return [float(v - low) / (high - low) if high > low else 1.0 for v in clipped]


def _above_cut(
    asked: Sequence[Candidate], worth: Mapping[int, float], count: int, cut: float
) -> list[Candidate]:
    if count <= 0:
        return []
    ranked = sorted(worth.values(), reverse=True)
    return [c for c in asked if worth[c.partition] >= cut * ranked[count - 1]]


def _speed(candidate: Candidate, times: Mapping[int, Times | None]) -> float:
    took = times[candidate.partition]
    return 1 / work(candidate) if took is None else 1 / max(took.total_s, 1e-6)
