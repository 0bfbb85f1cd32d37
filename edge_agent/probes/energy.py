"""Energy of what only tells its power."""

from __future__ import annotations

import time
from typing import Callable, Dict

from fedbed.telemetry.point import Value

LONGEST_GAP_S = 10.0
"""A gap between two readings counts as no longer than this: nobody knows what happened in it."""


class EnergyMeter:
    """Sums up power over time, from the first reading on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = 0.0
        self._watts = 0.0
        self._joules = -1.0

    def fields(self, watts: float) -> Dict[str, Value]:
        """Return fedbed_power's fields; between two readings their mean counts."""
        now = self._clock()
        if self._joules < 0:
            self._joules = 0.0
        else:
            self._joules += (watts + self._watts) / 2 * min(now - self._at, LONGEST_GAP_S)
        self._at, self._watts = now, watts
        return {"power": watts, "energy": self._joules}
