"""Carries what waits in the outbox to the broker, a batch at a time."""

from __future__ import annotations

import logging
import time
from typing import Callable, Optional

from edge_agent.broker.connection import Connection, Ended, Message
from fedbed.telemetry.outbox import Outbox

log = logging.getLogger("fedbed.agent")
EVERY_S = 2.0
"""How long points wait for company; what can't wait calls `hurry`."""
APART_S = 0.2
"""Even in a hurry no more often than this: rounds may follow each other in milliseconds."""
PATIENCE_S = 30.0
"""For an acknowledgement."""
REFUSED_S = 10.0
"""Before a batch is offered again that was refused, or that nobody listens to: Telegraf is away
and has no session at the broker, so that what is sent now would be lost."""


class Courier:
    """One batch is under way at a time, which keeps the order and is fast enough for backlogs."""

    def __init__(
        self, outbox: Outbox, topic: str, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._outbox = outbox
        self._topic = topic
        self._large = outbox.batch_bytes // 2
        self._now = now
        self._sent_at = now() - EVERY_S
        self._under_way = False
        self._pause_s = EVERY_S
        self._refusal = ""

    def connected(self) -> None:
        """A new connection: what was under way on the last one may be lost, and goes again."""
        self._under_way = False
        self._pause_s = APART_S

    def hurry(self) -> None:
        """Let what waits go soon; any thread may call this."""
        if not self._refusal:
            self._pause_s = APART_S

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way and nothing waits that the broker would take."""
        return not self._under_way and (self._outbox.waiting == 0 or bool(self._refusal))

    def wait_s(self) -> float:
        """How long there is nothing to do, unless somebody is in a hurry."""
        limit = PATIENCE_S if self._under_way else self._pause_s
        return max(0.0, self._sent_at + limit - self._now())

    def send(self, connection: Connection) -> None:
        """Send the next batch if it is time; Ended if the broker doesn't acknowledge the last."""
        if self.wait_s() > 0:
            return
        if self._under_way:
            raise Ended("the broker acknowledges nothing")
        self._sent_at = self._now()
        self._pause_s = EVERY_S
        batch = self._outbox.next()
        if batch is None:
            return
        self._under_way = True
        is_large = len(batch.data) >= self._large

        def told(refusal: Optional[str]) -> None:
            self._under_way = False
            if refusal is None:
                self._outbox.done()
                self._refusal = ""
                if is_large:  # and more wait behind it
                    self._pause_s = 0.0
                return
            self._pause_s = REFUSED_S
            if not self._refusal:
                log.warning("samples wait, because the broker says: %s", refusal)
            self._refusal = refusal

        connection.publish(Message(self._topic, batch.data), told)
