"""Signals that end a command as Ctrl-C does, at whatever moment they come."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN_S = 0.05


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """Let `kill` and a closed terminal end a command as Ctrl-C does: run stopped, all cleaned.

    Where Python may not raise, as while an object is deleted, it prints the KeyboardInterrupt and
    goes on as if nothing had been: whoever wants to stop would have to ask twice. Then the signal
    is sent once more, a moment later.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def lost(what: UnraisableHookArgs) -> None:
        if issubclass(what.exc_type, KeyboardInterrupt):
            again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), signal.SIGTERM))
            again.start()
            pending.append(again)
        else:
            hook(what)

    pending: list[threading.Timer] = []
    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)
    }
    hook, sys.unraisablehook = sys.unraisablehook, lost
    try:
        yield
    finally:
        for again in pending:
            again.cancel()
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
