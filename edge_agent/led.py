"""A board's green light, which blinks so that people find the board.

Linux shows it under /sys/class/leds, where writing another trigger takes it over:
https://www.kernel.org/doc/html/latest/leds/leds-class.html. A Raspberry Pi calls it ACT, in older
kernels led0.
"""

from __future__ import annotations

import contextlib
import re
import threading
from pathlib import Path
from typing import Optional, Sequence

CANDIDATES = (Path("/sys/class/leds/ACT"), Path("/sys/class/leds/led0"))
_CHOSEN = re.compile(r"\[([^\]]+)\]")


class Led:
    """The first of the candidates that this process may switch."""

    def __init__(self, candidates: Sequence[Path] = CANDIDATES) -> None:
        self._candidates = candidates
        self._guard = threading.Lock()
        self._timer: Optional[threading.Timer] = None
        self._blinking: Optional[Path] = None
        self._before = ""

    def blink(self, seconds: float) -> bool:
        """Let it blink for a while, from now on; False if there is none that may be switched."""
        with self._guard:
            if self._timer is not None:
                self._timer.cancel()
            if self._blinking is None and not self._take_over():
                return False
            self._timer = threading.Timer(seconds, self.stop)
            self._timer.daemon = True
            self._timer.start()
            return True

    def stop(self) -> None:
        """Let it show again what it did before."""
        with self._guard:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._blinking is not None:
                with contextlib.suppress(OSError):
                    self._blinking.write_text(self._before)
                self._blinking = None

    def _take_over(self) -> bool:
        for led in self._candidates:
            trigger = led / "trigger"
            try:
                chosen = _CHOSEN.search(trigger.read_text())
                trigger.write_text("timer")
            except OSError:
                continue
            self._before = chosen.group(1) if chosen else "none"
            self._blinking = trigger
            return True
        return False
