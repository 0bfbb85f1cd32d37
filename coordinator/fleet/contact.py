"""When a node counts as lost. Pure: times come in as numbers, in seconds of a monotonic clock.

The open poll is the heartbeat. A poll whose connection is cut means that the agent has died (the
kernel closes a dead process's sockets at once); a poll that was answered and is not followed by
another means that it is frozen, or out of reach.
"""

from __future__ import annotations

from dataclasses import dataclass

POLL_S = 8.0
"""How long an idle poll stays open."""
SILENCE_S = 5.0
"""Longest pause between two polls of a healthy node. POLL_S + SILENCE_S stays below 15 s."""
CUT_GRACE_S = 1.0
"""Time to come back after a cut connection, before the node counts as lost."""
BUSY_POLL_S = 1.0
"""As short as a poll gets, of a node that works: it carries the progress."""
BUSY_POLLS_PER_S = 200
"""More of them than this, from all nodes together, would slow down what they report on."""


def busy_poll_s(nodes: int) -> float:
    """How long a working node's poll stays open in a fleet of so many."""
    return min(POLL_S, max(BUSY_POLL_S, nodes / BUSY_POLLS_PER_S))


@dataclass
class Contact:
    """The polls of one node."""

    open_polls: int = 0
    lost_at: float | None = None
    """When the node counts as lost unless it polls before; None while a poll is open."""
    left: bool = False
    last_seen: float = 0.0

    def poll_opened(self, now: float) -> None:
        """A poll has come in."""
        self.open_polls += 1
        self.lost_at = None
        self.left = False
        self.last_seen = now

    def poll_closed(self, now: float, cut: bool) -> None:
        """A poll was answered, or its connection was cut."""
        self.open_polls = max(0, self.open_polls - 1)
        self.last_seen = now
        if self.open_polls == 0:
            self.lost_at = now + (CUT_GRACE_S if cut else SILENCE_S)

    def connection_lost(self, now: float) -> None:
        """The connection that carries the polls was closed between two of them."""
        if self.open_polls == 0 and self.lost_at is not None:
            self.lost_at = min(self.lost_at, now + CUT_GRACE_S)

    def heard(self, now: float) -> None:
        """A sign of life that is no poll: a join, an upload in progress."""
        self.last_seen = now
        self.left = False
        if self.open_polls == 0:
            self.lost_at = now + SILENCE_S

    def leave(self, now: float) -> None:
        """The node said goodbye."""
        self.left = True
        self.lost_at = now

    def is_live(self, now: float) -> bool:
        """Whether the node is in contact."""
        if self.left:
            return False
        if self.open_polls > 0:
            return True
        return self.lost_at is not None and now < self.lost_at
