"""The pipe to the coordinator: JSON lines on standard input and output.

A reader thread sorts what comes in: exchanges have a queue each, or share one (an inbox) where
somebody waits for whichever speaks first; everything else shares one too.
When the pipe closes the coordinator is gone, and so is this process, at once: the next coordinator
starts another one from the last checkpoint.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from typing import Any

from fedbed.errors import FedbedError, Interrupted
from fedbed.link import pipes

ORPHANED = 3
"""Exit code of a process whose coordinator is gone."""


Inbox = queue.Queue[dict[str, Any]]


class RunStopped(Interrupted):
    """An operator stopped the run."""


class Channel:
    """Thread-safe: apps of Flower's older style send from several threads."""

    def __init__(self) -> None:
        self._out = pipes.take_stdout()
        self._in = pipes.take_stdin()
        self._write_guard = threading.Lock()
        self._ask_guard = threading.Lock()
        self._answers: Inbox = queue.Queue()
        self._windows: dict[str, Inbox] = {}
        self._stopped = threading.Event()
        self._reader = threading.Thread(target=self._read, name="channel", daemon=True)

    def start(self) -> dict[str, Any]:
        """Begin to read; returns the order that the coordinator gives first."""
        self._reader.start()
        return self._answers.get()

    def tell(self, op: str, **fields: Any) -> None:
        """Send a message that has no answer."""
        line = json.dumps(dict(fields, op=op)).encode() + b"\n"
        with self._write_guard:
            self._out.write(line)
            self._out.flush()

    def publish(self, kind: str, data: Any) -> None:
        """Show something to watchers."""
        self.tell("publish", kind=kind, data=data)

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """Send a question and wait for its answer; RunStopped if the run was stopped instead."""
        with self._ask_guard:
            self.tell(op, **fields)
            return self._next(self._answers)

    def open_window(self, window: str, inbox: Inbox | None = None) -> Inbox:
        """Return the queue into which an exchange's replies will come: `inbox`, if that is given.

        Messages say of which window they are; `receive_any` takes them out of an inbox.
        """
        waiting = self._windows.setdefault(window, queue.Queue() if inbox is None else inbox)
        if self._stopped.is_set():
            # The reader has told the queues that there were; this one is younger.
            waiting.put({"event": "stop"})
        return waiting

    def receive(self, window: str) -> dict[str, Any]:
        """Wait for the next message of an exchange; RunStopped if the run was stopped."""
        return self._next(self._windows[window])

    def receive_now(self, window: str) -> dict[str, Any] | None:
        """Return the next message of an exchange if there is one; RunStopped as in `receive`."""
        waiting = self._windows[window]
        return None if waiting.empty() else self._next(waiting)

    def receive_any(self, inbox: Inbox) -> dict[str, Any]:
        """Wait for the next message of any window of an inbox; RunStopped as in `receive`."""
        return self._next(inbox)

    def close_window(self, window: str) -> None:
        """Forget an exchange's queue."""
        self._windows.pop(window, None)

    def check_stopped(self) -> None:
        """Raise RunStopped if the run was stopped; for long computations to call now and then."""
        if self._stopped.is_set():
            raise RunStopped("the run was stopped")

    def _next(self, messages: Inbox) -> dict[str, Any]:
        message = messages.get()
        if message.get("event") == "stop":
            messages.put(message)
            raise RunStopped("the run was stopped")
        return message

    def _read(self) -> None:
        for line in self._in:
            message = json.loads(line)
            if message.get("event") == "stop":
                self._stopped.set()
                for waiting in (self._answers, *self._windows.values()):
                    waiting.put(message)
            elif "window" in message:
                target = self._windows.get(str(message["window"]))
                if target is not None:
                    target.put(message)
            else:
                self._answers.put(message)
        os._exit(ORPHANED)


def failure(error: FedbedError) -> dict[str, str]:
    """Describe an error for the coordinator."""
    return {"code": error.code, "detail": str(error)}
