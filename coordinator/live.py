"""What watchers see: a numbered state, and a way to wait for the next one."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from pydantic_core import to_json

from fedbed.logs import printable

EVENTS_KEPT = 200
GATHER_S = 0.1
"""How long changes are gathered before a watcher hears of them: ten pictures a second suffice."""
GATHER_LIMIT_S = 1.0
SHARE = 0.05
"""Share of the daemon's time that pictures may take: those of a thousand nodes come less often."""


class Live:
    """Counts changes and wakes those who wait for one; keeps the latest events for people."""

    def __init__(self) -> None:
        self.version = 1
        self.on_event: Callable[[dict[str, Any], bool], None] = lambda _event, _fault: None
        """Called with each event as it happens, and whether something went wrong."""
        self.gather_s = GATHER_S
        self._changed = asyncio.Event()
        self._events: deque[dict[str, Any]] = deque(maxlen=EVENTS_KEPT)

    def changed(self) -> None:
        """Something that watchers see is different now."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def say(self, text: str, run: str = "", node: str = "", fault: bool = False) -> dict[str, Any]:
        """Note an event: one sentence; returns it. fault: whether something went wrong."""
        event = {"at": time.time(), "run": run, "node": node, "text": printable(text)}
        self._events.append(event)
        self.on_event(event, fault)
        self.changed()
        return event

    def events(self, run: str = "") -> list[dict[str, Any]]:
        """Return the latest events, oldest first."""
        return [event for event in self._events if not run or event["run"] == run]

    def remember(self, events: Iterable[dict[str, Any]]) -> None:
        """Take over events of an earlier life, oldest first."""
        self._events.extendleft(reversed(list(events)))

    async def wait(self, after: int, wait_s: float) -> int:
        """Wait for another version than `after`, at most `wait_s`; returns the version.

        A version above ours is one of an earlier life of the coordinator: nothing to wait for.
        """
        if after == 0:
            return self.version
        if self.version == after:
            changed = self._changed
            try:
                async with asyncio.timeout(wait_s):
                    await changed.wait()
            except TimeoutError:
                return self.version
        # Changes come in bursts, and each picture costs the daemon time that rounds could use.
        await asyncio.sleep(min(self.gather_s, wait_s))
        return self.version

    def drawn(self, took_s: float) -> None:
        """A picture took `took_s` seconds of the event loop: gather long enough for its share."""
        self.gather_s = min(max(GATHER_S, took_s / SHARE), GATHER_LIMIT_S)


class Picture:
    """The latest picture as JSON: those who watch at the same time get the same bytes."""

    def __init__(self, live: Live, draw: Callable[[], dict[str, Any]]) -> None:
        self._live = live
        self._draw = draw
        self._version = 0
        self._at = 0.0
        self._body = b""

    def body(self) -> bytes:
        """Return the picture, drawn anew if anything has changed or its clocks have moved on."""
        began = time.monotonic()
        if self._version != self._live.version or began - self._at > self._live.gather_s:
            self._version = self._live.version
            self._body = to_json(self._draw(), inf_nan_mode="null")
            self._at = time.monotonic()
            self._live.drawn(self._at - began)
        return self._body
