"""Means over seeds with confidence intervals by Student's t; pure, standard library only.

The interval of a mean is mean -+ t * s / sqrt(n), with the sample standard deviation s and the
quantile t of n - 1 degrees of freedom. It takes the seeds for independent draws, and says nothing
about samples that the test set doesn't hold.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds. std: sample standard deviation; half: half the interval's width.

    Both are None for a single seed, which says nothing about the others.
    """

    n: int
    mean: float
    std: float | None = None
    half: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Lower and upper end; None for a single seed."""
        return None if self.half is None else (self.mean - self.half, self.mean + self.half)

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies wholly on one side of zero; never for a single seed."""
        return self.half is not None and abs(self.mean) > self.half


def estimate(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate | None:
    """Return the mean with its interval; None for no values."""
    if not values:
        return None
    mean = statistics.fmean(values)
    if len(values) == 1:
        return Estimate(1, mean)
    std = statistics.stdev(values)
    half = t_quantile(len(values) - 1, confidence) * std / math.sqrt(len(values))
    return Estimate(len(values), mean, std, half)


def paired(
    mine: Mapping[int, float], others: Mapping[int, float], confidence: float = CONFIDENCE
) -> Estimate | None:
    """Return the mean of `mine - others` over the seeds that both have; None if there is none.

    What a seed does to both (initial weights, partition) cancels out, so that this interval is
    often narrower than those of the two means let expect.
    """
    return estimate(
        [mine[seed] - others[seed] for seed in sorted(mine) if seed in others], confidence
    )


def t_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """Return t such that Student's distribution lies within -t and t with that probability.

    ValueError for less than one degree of freedom or a confidence outside of 0 to 1.
    """
    if freedom < 1 or not 0 < confidence < 1:
        raise ValueError(f"no quantile for {freedom} degrees of freedom at {confidence}")
    low, high = 0.0, 1.0
    while t_within(high, freedom) < confidence:
        low, high = high, 2 * high
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if t_within(middle, freedom) < confidence else (low, middle)
    return high


def t_within(t: float, freedom: int) -> float:
    """Return the probability that Student's distribution lies within -t and t.

    The finite sums for whole degrees of freedom: Abramowitz and Stegun, Handbook of Mathematical
    Functions (1964), 26.7.3 and 26.7.4.
    """
    angle = math.atan2(t, math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2 == 1
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for k in range(1 if odd else 0, freedom - 1, 2):
        total += term
        term *= (k + 1) / (k + 2) * cosine * cosine
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
