"""How long to wait before the next try. Pure: the random source is handed in."""

from __future__ import annotations

import random
from typing import Optional


class Backoff:
    """Exponential back-off with full jitter between `first_s` and a doubling cap.

    A floor keeps a fleet from hammering a coordinator that has just come back; the jitter spreads
    a lab's boards after a power cut.
    """

    def __init__(
        self, first_s: float = 0.2, cap_s: float = 4.0, rng: Optional[random.Random] = None
    ) -> None:
        self._first_s = first_s
        self._cap_s = cap_s
        self._rng = rng or random.Random()  # nosec B311 # jitter, no secret
        self._failures = 0

    def next_s(self) -> float:
        """Count a failure and return the seconds to wait."""
        ceiling = min(self._cap_s, self._first_s * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        return self._rng.uniform(ceiling / 2, ceiling)

    def reset(self) -> None:
        """Forget the failures: the link works again."""
        self._failures = 0
