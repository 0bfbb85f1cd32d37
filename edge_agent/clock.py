"""The coordinator's time on a node whose own clock may be off by hours, or none at all.

What nodes measure must line up with each other and with the coordinator's rounds. So a sample is
noted with a clock that only runs (no NTP step, no operator sets it), and stamped with what that
clock showed plus an offset, which every answer to a poll teaches anew:

    sent          the node sends its poll
    held_s        the coordinator keeps it open, then reads its clock: now_s
    received      the node has the answer

The coordinator read its clock at some moment before `received`, and after `sent` by at least
`held_s`. What is left of the wait is transfer, there and back: half of it is the estimate of how
old the time is on arrival, and the bound of its error. As in NTP (RFC 5905, section 8) the exchange
with the least transfer counts; an older one counts less, because clocks drift.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable, List, Optional

DRIFT = 200e-6
"""Seconds by which two clocks part within a second: boards' crystals, and NTP's slewing of ours."""
WINDOW_S = 900.0
"""For how long an exchange counts."""
_LATEST_S = 9e9
"""Nanoseconds since 1970 of what is later don't fit into the database's 64 bits."""


def running() -> float:
    """Return seconds of a clock that nobody sets and that goes on while the board is suspended."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(frozen=True)
class _Exchange:
    """What an answer taught. offset_s: coordinator's clock - ours, wrong by error_s at most."""

    at: float
    offset_s: float
    error_s: float

    def error_at(self, now: float) -> float:
        return self.error_s + DRIFT * (now - self.at)


class Clock:
    """Taught by the thread that polls, asked by others."""

    def __init__(
        self,
        clock: Callable[[], float] = running,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._kept: List[_Exchange] = []
        self._best: Optional[_Exchange] = None

    def now(self) -> float:
        """Return what samples are noted with: seconds of a clock of this node's own."""
        return self._clock()

    def learn(self, sent: float, received: float, now_s: Any, held_s: Any) -> None:
        """Take in an answer; sent and received are `now()`, the others are the coordinator's.

        Ignores what no coordinator's clock says: 0 comes from one that is too old to say it.
        """
        if not _is_time(now_s) or not _is_time(held_s, lowest=0.0) or received < sent:
            return
        transfer_s = max(0.0, received - sent - held_s)
        # The two clocks part while the poll is kept open, too.
        error_s = transfer_s / 2 + DRIFT * (received - sent)
        new = _Exchange(received, now_s + transfer_s / 2 - received, error_s)
        # All age alike: what is worse than the new one already won't ever be the best again. What
        # contradicts it is of a coordinator whose clock has been set since, or of another one.
        self._kept = [
            old
            for old in self._kept
            if received - old.at <= WINDOW_S
            and old.error_at(received) < new.error_s
            and abs(old.offset_s - new.offset_s) <= old.error_at(received) + new.error_s
        ]
        self._kept.append(new)
        self._best = self._kept[0]

    def stamp_ns(self, at: float) -> Optional[int]:
        """Return a moment, given as `now()`, as nanoseconds since 1970 of the coordinator.

        None before the first answer.
        """
        best = self._best
        return None if best is None else round((at + best.offset_s) * 1e9)

    def error_s(self) -> Optional[float]:
        """Return by how much stamps may be wrong at the moment, at most; None if there are none."""
        best = self._best
        return None if best is None else best.error_at(self._clock())

    def wall_ahead_s(self) -> Optional[float]:
        """Return how far the node's wall clock is ahead of the coordinator's; None if not known."""
        best = self._best
        return None if best is None else self._wall() - self._clock() - best.offset_s


class WallClock:
    """Stamps with this machine's wall clock, where there is no coordinator to learn from."""

    def now(self) -> float:
        """Return seconds since 1970."""
        return time.time()

    def stamp_ns(self, at: float) -> Optional[int]:
        """Return a moment, given as `now()`, in nanoseconds."""
        return round(at * 1e9)


def _is_time(value: Any, lowest: float = 1.0) -> bool:
    # NaN and infinity lie in no range.
    return isinstance(value, (int, float)) and lowest <= value <= _LATEST_S
