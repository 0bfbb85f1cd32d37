"""Has windows looked at again when time alone may close them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

EARLY_S = 0.005
"""A timer that fires a moment too early would find its window open still."""
LONGEST_S = 3600.0


class Alarms:
    """One timer per window.

    check: called with the window's id when its time has come.
    clock: seconds, the one that windows' limits are told by.
    """

    def __init__(self, check: Callable[[str], object], clock: Callable[[], float]) -> None:
        self._check = check
        self._clock = clock
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def set(self, window: str, until: float) -> None:
        """Look at the window when the clock shows `until`, instead of when it was to be before."""
        timer = self._timers.get(window)
        loop = asyncio.get_running_loop()
        delay = min(max(0.0, until - self._clock()) + EARLY_S, LONGEST_S)
        if timer is not None:
            # Each arrival asks for this, mostly for the moment that is set already.
            if abs(timer.when() - loop.time() - delay) < EARLY_S:
                return
            timer.cancel()
        self._timers[window] = loop.call_later(delay, self._ring, window)

    def unset(self, window: str) -> None:
        """The window is closed."""
        timer = self._timers.pop(window, None)
        if timer is not None:
            timer.cancel()

    def stop(self) -> None:
        """Look at none any more."""
        for timer in self._timers.values():
            timer.cancel()

    def _ring(self, window: str) -> None:
        self._timers.pop(window, None)
        self._check(window)
