"""Work slowed down on purpose: how rounds with a straggler are put to the test."""

from __future__ import annotations

import time
from typing import Callable, TypeVar

from fedbed.tasks.trainer import Progress

Done = TypeVar("Done")
_STEPS = 20
"""Into so many the wait is divided, each with a word of progress."""


def prolong(
    factor: float,
    work: Callable[[Progress], Done],
    on_progress: Progress,
    pause: Callable[[float], None],
) -> Done:
    """Do `work` and wait until it has taken `factor` times as long; returns what it returned.

    factor: 1 or more. pause: waits so many seconds, or raises where there is no use in waiting.
    Progress runs evenly over work and wait, if the work's own does.
    """
    began = time.monotonic()
    done = work(lambda share: on_progress(share / factor))
    wait_s = (factor - 1) * (time.monotonic() - began)
    for step in range(1, _STEPS + 1):
        pause(wait_s / _STEPS)
        on_progress((1 + (factor - 1) * step / _STEPS) / factor)
    return done
