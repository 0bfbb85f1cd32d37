"""`tiers`: each round nodes of like speed (TiFL, Chai et al., arXiv 2001.09249)."""

from __future__ import annotations

from collections import Counter
from statistics import fmean

import numpy as np
from pydantic import Field

from fedbed.selection.base import Selection
from fedbed.selection.facts import Candidate, Choice, Situation, draw
from fedbed.selection.timing import warm

Tier = list[Candidate]


class Tiers(Selection):
    """Each round nodes of like speed: one tier is drawn (TiFL, Chai et al., arXiv 2001.09249).

    Nodes are measured first, in rounds of their own; then they are sorted by the mean of their
    response times into tiers of equal size, anew each round. A tier has credits, so that a slow
    one isn't drawn for ever. Where nodes test the global model (`evaluate: nodes` or `both`), the
    chances turn to the tiers on which it is worst, whenever the tier drawn last has not improved
    over `interval` rounds; else they stay equal.
    """

    tiers: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="Number of tiers; fewer where one would hold fewer nodes than a round asks.",
    )
    credits: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="How often a tier may be drawn; when all are spent, all may again. "
        "null: any number of times.",
    )
    interval: int = Field(
        default=5, ge=1, le=100_000, description="Rounds between two looks at the accuracies."
    )

    def choose(self, situation: Situation) -> Choice:
        """Measure who isn't measured yet, else draw a tier and nodes of it."""
        chance, count = situation.random(), situation.wanted()
        fresh = [c for c in situation.candidates if not _times(c)]
        if fresh:
            new = draw(chance, fresh, count)
            others = [c for c in situation.candidates if c not in fresh]
            rest = draw(chance, others, count - len(new))
            return Choice.of(("not measured yet", new), ("beside those to measure", rest))
        most = len(situation.candidates) // count
        tiers = _sorted_in(situation.candidates, min(self.tiers, most))
        weights = self._weights(situation, tiers)
        spent = Counter(int(n["tier"]) for n in situation.notes.values() if "tier" in n)
        open_ = [t for t in range(len(tiers)) if self.credits is None or spent[t] < self.credits]
        open_ = open_ or list(range(len(tiers)))
        chances = np.array([weights[t] for t in open_])
        tier = int(chance.choice(open_, p=chances / chances.sum()))
        drawn = draw(chance, tiers[tier], count)
        return Choice.of((_named(tier, len(tiers)), drawn), tier=tier, weights=weights)

    def _weights(self, situation: Situation, tiers: list[Tier]) -> list[float]:
        """Return the tiers' chances: those of before, unless it is time to change them."""
        rounds = [r for r, note in situation.notes.items() if "tier" in note]
        last = situation.notes[max(rounds)] if rounds else {}
        held = [float(w) for w in last.get("weights", ())]
        if len(held) != len(tiers):
            return [1.0] * len(tiers)
        done = situation.round - 1
        if done % self.interval:
            return held
        now = [_score(tier, done) for tier in tiers]
        before = _score(tiers[int(last["tier"])], done - self.interval)
        current = now[int(last["tier"])]
        known = [score for score in now if score is not None]
        if before is None or current is None or len(known) < len(now) or current > before:
            return held
        worst_first = sorted(range(len(tiers)), key=lambda t: (known[t], t))
        return [float(len(tiers) - worst_first.index(t)) for t in range(len(tiers))]


def _times(candidate: Candidate) -> list[float]:
    return [part.seconds for part in warm(candidate.parts) if part.delivered or part.late]


def _sorted_in(candidates: tuple[Candidate, ...], count: int) -> list[Tier]:
    ranked = sorted(candidates, key=lambda c: (fmean(_times(c)), c.partition))
    groups = np.array_split(np.arange(len(ranked)), count)
    return [[ranked[int(place)] for place in group] for group in groups]


def _score(tier: Tier, until: int) -> float | None:
    """Return the mean of the nodes' newest accuracies of a round or before; None if none."""
    newest = [found[-1] for c in tier if (found := [s for r, s in c.scores if r <= until])]
    return fmean(newest) if newest else None


def _named(tier: int, tiers: int) -> str:
    if tiers > 1 and tier in (0, tiers - 1):
        return "fastest tier" if tier == 0 else "slowest tier"
    return f"tier {tier + 1} of {tiers}"
