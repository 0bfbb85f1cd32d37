"""What the agent tells of itself while it serves: by way of a broker, where one is configured.

Without a broker all of this does nothing, and costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Sequence, Tuple

from edge_agent.actions import Actions
from edge_agent.activity import Activity
from edge_agent.clock import Clock
from edge_agent.config import AgentConfig
from edge_agent.executor import Executor
from edge_agent.led import Led
from fedbed import __version__
from fedbed.telemetry.outbox import Outbox
from fedbed.telemetry.point import Point

if TYPE_CHECKING:
    from edge_agent.broker.broker import Broker
    from edge_agent.sampler import Sampler


class Telemetry:
    """Start and stop are the main thread's; `deliver` may be called by any.

    RequirementMissing if a broker is configured and paho-mqtt isn't installed.
    """

    def __init__(
        self,
        config: AgentConfig,
        executor: Executor,
        activity: Activity,
        clock: Clock,
    ) -> None:
        self._activity = activity
        self._clock = clock
        self._led = Led()
        self._outbox = Outbox(config.state_dir / "outbox")
        self._actions = Actions(config, executor, activity, self._led, self._event)
        self._broker: Optional[Broker] = None
        self._sampler: Optional[Sampler] = None
        if config.broker is not None:
            # Only here, so that agents without a broker don't carry it in their memory.
            from edge_agent.broker.broker import Broker

            about = {
                "node": config.name,
                "agent": __version__,
                "sample_interval_s": config.sample_interval_s,
            }
            self._broker = Broker(
                config.broker,
                config.name,
                self._outbox,
                activity,
                self._actions.table(),
                about,
                self._now_ns,
            )
            if config.sample_interval_s > 0:
                self._sampler = self._make_sampler(config, executor)

    @property
    def waiting(self) -> int:
        """Points that wait for the broker."""
        return self._outbox.waiting

    @property
    def dropped(self) -> int:
        """Points that were given up since the start."""
        return self._outbox.dropped

    def start(self) -> None:
        """Begin to speak."""
        if self._broker is not None:
            self._broker.start()
        if self._sampler is not None:
            self._sampler.start()

    def stop(self) -> None:
        """Say goodbye; within a few seconds, whatever the broker does."""
        if self._sampler is not None:
            self._sampler.stop()
        if self._broker is not None:
            self._broker.stop()
        self._led.stop()

    def joined(self, node_id: str, token: str) -> None:
        """The node has joined, or joined again: who it is at the coordinator."""
        self._actions.joined(node_id, token)

    def drained(self, drained: bool) -> None:
        """The coordinator says whether it gives the node new work."""
        self._activity.drained(drained)

    def deliver(self, points: Sequence[Point]) -> None:
        """Take points to be sent: never waits, neither for the network nor for the disk."""
        if self._broker is not None:
            self._broker.deliver(points)

    def _make_sampler(self, config: AgentConfig, executor: Executor) -> Sampler:
        from edge_agent.probes.agent import AgentProbe
        from edge_agent.probes.node import hardware
        from edge_agent.probes.worker import WorkerProbe
        from edge_agent.sampler import Sampler

        def failures() -> int:
            return sampler.failures

        def backlog() -> Tuple[int, int]:
            return self._outbox.waiting, self._outbox.dropped + sampler.dropped

        probes = [
            *hardware(config.state_dir, config.sample_interval_s),
            WorkerProbe(executor.workers),
            AgentProbe(failures, self._clock.wall_ahead_s, backlog),
        ]
        sampler = Sampler(config.name, self._clock, probes, self.deliver, config.sample_interval_s)
        return sampler

    def _now_ns(self) -> Optional[int]:
        return self._clock.stamp_ns(self._clock.now())

    def _event(self, text: str) -> None:
        if self._broker is not None:
            self._broker.event(text)
