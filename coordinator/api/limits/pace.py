"""How slowly a body may come: at a pace that the slowest of links keeps, and without long pauses.

A peer that sends a byte now and then would hold a connection and what is kept for its request, for
as long as it likes; so would thousands of them.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coordinator.api.errors import TurnedAway
from fedbed.errors import TooBusy
from fedbed.units import format_bytes, format_duration


@dataclass(frozen=True)
class PaceRules:
    """At least `least_bytes_s` on average once `grace_s` have been waited; no pause of `pause_s`.

    Waited is the time in which the peer alone is to blame: while a result is written to a slow
    disk, nobody waits for its next piece.
    """

    grace_s: float = 20.0
    least_bytes_s: float = 1000.0
    pause_s: float = 30.0


DEFAULT = PaceRules()
LOOK_EVERY_S = 1.0


@dataclass
class Pace:
    """One body on its way. Pure: what came and how long it took is told."""

    rules: PaceRules = DEFAULT
    waited_s: float = 0.0
    received: int = 0

    def patience_s(self) -> float:
        """How long to wait for the next piece; 0 or less: the body is too slow."""
        rules = self.rules
        earned = max(rules.grace_s, self.received / rules.least_bytes_s)
        return min(rules.pause_s, earned - self.waited_s)

    def took(self, seconds: float, size: int) -> None:
        """A piece of `size` bytes came after `seconds` of waiting."""
        self.waited_s += seconds
        self.received += size


class Body:
    """A body that is awaited by the task which made this."""

    def __init__(self, receive: Receive, rules: PaceRules, patrol: Patrol) -> None:
        self.pace = Pace(rules)
        self.until = 0.0
        """When it is too slow, while it is awaited."""
        self._receive = receive
        self._patrol = patrol
        self._whole = False
        self._given_up = False
        self._task: asyncio.Task[Any] | None = None

    def give_up(self) -> None:
        """Let who awaits it have TooBusy."""
        if self._task is not None:
            self._given_up = True
            self._task.cancel()

    async def receive(self) -> Message:
        """Return the next message; TurnedAway with TooBusy if it doesn't come in time."""
        if self._whole:
            return await self._receive()
        began = self._patrol.clock()
        self.until = began + self.pace.patience_s()
        self._task = asyncio.current_task()
        self._patrol.watch(self)
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            if not self._given_up or self._task is None:
                raise
            self._task.uncancel()
            self.pace.took(self._patrol.clock() - began, 0)
            raise _too_slow(self.pace) from None
        finally:
            self._patrol.leave(self)
        self.pace.took(self._patrol.clock() - began, len(message.get("body", b"")))
        self._whole = not message.get("more_body", False)
        return message


class Patrol:
    """Looks at all bodies that are awaited, now and then.

    A timer for each of them would cost ten times as much, and most are here at once.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._awaited: set[Body] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.clock = time.monotonic

    def watch(self, body: Body) -> None:
        """A body is awaited."""
        self._awaited.add(body)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._every_s, self._look)

    def leave(self, body: Body) -> None:
        """It isn't any more."""
        self._awaited.discard(body)

    def _look(self) -> None:
        self._timer = None
        now = self.clock()
        for body in list(self._awaited):
            if body.until <= now:
                body.give_up()
        if self._awaited:
            self._timer = asyncio.get_running_loop().call_later(self._every_s, self._look)


class Paced:
    """Answers bodies that come too slowly with 408, and closes the connection.

    Only bodies are timed: what is received after them is the end of the connection, for which the
    open poll waits as long as it stays open. `look_every_s`: how late that may be noticed.
    """

    def __init__(
        self, app: ASGIApp, rules: PaceRules = DEFAULT, look_every_s: float = LOOK_EVERY_S
    ) -> None:
        self._app = app
        self._rules = rules
        self._patrol = Patrol(look_every_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a `receive` that loses its patience."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
        else:
            await self._app(scope, Body(receive, self._rules, self._patrol).receive, send)


def _too_slow(pace: Pace) -> TurnedAway:
    error = TooBusy(
        f"the request's body came too slowly: {format_bytes(pace.received)} in "
        f"{format_duration(pace.waited_s)}"
    )
    return TurnedAway(error, 408, {"Connection": "close"})
