"""What an operator may ask of this node through the broker."""

from __future__ import annotations

import logging
from typing import Callable, Dict

from edge_agent.activity import Activity
from edge_agent.config import AgentConfig
from edge_agent.executor import Executor
from edge_agent.led import Led
from edge_agent.link import Link
from fedbed.errors import FedbedError

log = logging.getLogger("fedbed.agent")
BLINK_S = 30.0


class Actions:
    """Each returns one line on what it has done, or raises FedbedError. Thread-safe.

    event: is told what others should know of, in one sentence.
    """

    def __init__(
        self,
        config: AgentConfig,
        executor: Executor,
        activity: Activity,
        led: Led,
        event: Callable[[str], None],
    ) -> None:
        self._config = config
        self._executor = executor
        self._activity = activity
        self._led = led
        self._event = event
        self._node_id = ""
        self._token = ""  # nosec B105 # none yet

    def joined(self, node_id: str, token: str) -> None:
        """Note who the node is at the coordinator; called again when that has changed."""
        self._node_id, self._token = node_id, token

    def table(self) -> Dict[str, Callable[[], str]]:
        """Return all of them by the names of their commands."""
        return {
            "identify": self.identify,
            "drain": self.drain,
            "resume": self.resume,
            "restart-worker": self.restart_worker,
        }

    def identify(self) -> str:
        """Show people which board this is."""
        if self._led.blink(BLINK_S):
            text = f"its LED blinks for {BLINK_S:.0f} s"
        else:
            text = "it has no LED that it may switch: it says so in its log alone"
        log.warning("this is the node '%s': %s", self._config.name, text)
        return self._done(f"identifies itself: {text}", text)

    def drain(self) -> str:
        """Ask the coordinator for no new work."""
        self._rest(True)
        return self._done("is drained, by a command", "it finishes what it has, and gets no more")

    def resume(self) -> str:
        """Ask the coordinator for work again."""
        self._rest(False)
        return self._done("takes work again, by a command", "it takes work again")

    def restart_worker(self) -> str:
        """End the worker; the next work starts another."""
        if not self._executor.restart_worker("restarted by a command"):
            raise FedbedError("no worker runs: one is started with the next work")
        text = "the worker has been ended; the next work starts another"
        return self._done("restarts its worker, by a command", text)

    def _rest(self, resting: bool) -> None:
        if not self._node_id:
            raise FedbedError("the node has not joined its coordinator yet")
        link = Link(self._config.coordinator, self._config.ca)
        link.token = self._token
        try:
            link.call("POST", f"/api/v1/nodes/{self._node_id}/rest?resting={str(resting).lower()}")
        finally:
            link.close()
        self._activity.drained(resting)

    def _done(self, event: str, text: str) -> str:
        self._event(f"{self._config.name} {event}")
        return text
