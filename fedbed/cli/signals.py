"""Signals that end a command as Ctrl-C does, at whatever moment they come.

Standard library only and Python 3.8, as the command line itself is.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from fedbed.errors import FedbedError

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN_S = 0.05


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """Let `kill` and a closed terminal end a command as Ctrl-C does: run stopped, all cleaned.

    Where Python may not raise, as while an object is deleted, it prints the KeyboardInterrupt and
    goes on as if nothing had been: whoever wants to stop would have to ask twice. Then the signal
    is sent once more, a moment later. And what a library made of the KeyboardInterrupt becomes
    one again.
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
    except Exception as error:
        if is_interrupt(error):
            raise KeyboardInterrupt from error
        raise
    finally:
        for again in pending:
            again.cancel()
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def is_interrupt(error: BaseException) -> bool:
    """Whether somebody wanted to stop, and an error is what a library made of it.

    Compiled code that calls Python, as pydantic does to write a value and modules do while they
    are imported, turns all that is raised there into an error of its own. Our own errors mean what
    they say.
    """
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen and not isinstance(link, FedbedError):
        if isinstance(link, KeyboardInterrupt):
            return True
        seen.add(id(link))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return False
