"""How many requests a node, or an address without a credential, may make. Pure.

A token bucket for each of them: it fills at a rate, a request takes one token out, and there is no
request without one. The number of requests under way at a time is bounded as well. Times are
seconds of a monotonic clock. The idea of a token bucket: ITU-T I.371, RFC 2697.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True)
class Allowance:
    """`rate` requests a second over time, `burst` of them at once, `at_a_time` under way."""

    rate: float
    burst: float
    at_a_time: int


@dataclass
class Bucket:
    """What one has left."""

    tokens: float
    at: float
    under_way: int = 0


class Buckets:
    """The buckets of all who have asked lately, `kept` of them at most.

    One that is full again says the same as none, so the longest unused are looked at and
    forgotten with each new one. Beyond `kept`, those that aren't full go too: an attacker with
    that many addresses isn't held by buckets.
    """

    def __init__(self, allowance: Allowance, kept: int) -> None:
        self.allowance = allowance
        self._kept = kept
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, now: float) -> float:
        """Begin a request; returns 0, or in how many seconds another try is worth it.

        Only after a 0 is `give_back` to be called, at the request's end.
        """
        allowance = self.allowance
        bucket = self._buckets.get(key)
        if bucket is None:
            self._make_room(now)
            bucket = self._buckets[key] = Bucket(allowance.burst, now)
        else:
            self._buckets.move_to_end(key)
            self._fill(bucket, now)
        if bucket.tokens < 1.0:
            return (1.0 - bucket.tokens) / allowance.rate
        if bucket.under_way >= allowance.at_a_time:
            return 1.0
        bucket.tokens -= 1.0
        bucket.under_way += 1
        return 0.0

    def give_back(self, key: str) -> None:
        """A request has ended."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.under_way = max(0, bucket.under_way - 1)

    def _fill(self, bucket: Bucket, now: float) -> None:
        gained = (now - bucket.at) * self.allowance.rate
        bucket.tokens = min(self.allowance.burst, bucket.tokens + gained)
        bucket.at = now

    def _make_room(self, now: float) -> None:
        """Forget up to two of the longest unused: one more than is added."""
        for _ in range(2):
            if not self._buckets:
                return
            key, oldest = next(iter(self._buckets.items()))
            self._fill(oldest, now)
            if oldest.under_way:
                # A request of minutes must not keep those behind it from being looked at.
                self._buckets.move_to_end(key)
                continue
            if oldest.tokens < self.allowance.burst and len(self._buckets) < self._kept:
                return
            del self._buckets[key]
