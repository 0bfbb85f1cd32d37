"""What the node is doing, as it says itself; whoever wants to know is told of each change."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Callable

IDLE, DOWNLOADING, TRAINING, UPLOADING = "idle", "downloading", "training", "uploading"
DRAINING, OFFLINE = "draining", "offline"


@dataclass(frozen=True)
class Doing:
    """A state by the names above. run, round: what it works on; empty and 0 without."""

    state: str = IDLE
    run: str = ""
    round: int = 0


class Activity:
    """Told by the executor's and the main thread; `on_change` must not take long."""

    def __init__(self) -> None:
        self.on_change: Callable[[Doing], None] = lambda _doing: None
        self._guard = threading.Lock()
        self._work = Doing()
        self._drained = False
        self._told = Doing()

    @property
    def doing(self) -> Doing:
        """The state of the moment: a drained node that has nothing left to do is draining."""
        if self._drained and self._work.state == IDLE:
            return Doing(DRAINING)
        return self._work

    def now(self, state: str, run: str = "", server_round: int = 0) -> None:
        """The executor has gone on to another step."""
        with self._guard:
            self._work = Doing(state, run, server_round)
            self._tell()

    def drained(self, drained: bool) -> None:
        """The coordinator gives the node no new work, or does again."""
        with self._guard:
            self._drained = drained
            self._tell()

    def _tell(self) -> None:
        doing = self.doing
        if doing != self._told:
            self._told = doing
            self.on_change(doing)
