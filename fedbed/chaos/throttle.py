"""Leaving a process a share of its time: it stands still for the rest of every tenth second."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable

import psutil

PERIOD_S = 0.1


class Throttle:
    """Stops and continues what `find` returns, until `close`; it looks for newcomers each time."""

    def __init__(self, find: Callable[[], Iterable[psutil.Process]], share: float) -> None:
        self._find = find
        self._share = share
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="throttle", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let them run freely. Idempotent."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.is_set():
            stopped = list(self._find())
            try:
                send(stopped, signal.SIGSTOP)
                self._end.wait(PERIOD_S * (1 - self._share))
            finally:
                send(stopped, signal.SIGCONT)
            self._end.wait(PERIOD_S * self._share)


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to those that are still there; psutil never takes another's recycled id."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
