"""What the agent itself costs, and what it has lost.

Times and memory of this process: psutil, that is /proc/self/stat and statm (proc(5)).
"""

from __future__ import annotations

import time
from typing import Callable, List, Optional, Tuple

import psutil

from edge_agent.probes.base import Probe
from fedbed.telemetry.point import Sample


class AgentProbe(Probe):
    """fedbed_agent.

    failures: how many probes have failed so far. wall_ahead_s: how far the wall clock is ahead of
    the coordinator's, None if that isn't known. backlog: points that wait and points given up.
    """

    name = "agent"

    def __init__(
        self,
        failures: Callable[[], int],
        wall_ahead_s: Callable[[], Optional[float]],
        backlog: Callable[[], Tuple[int, int]] = lambda: (0, 0),
    ) -> None:
        self._process = psutil.Process()
        self._failures = failures
        self._wall_ahead_s = wall_ahead_s
        self._backlog = backlog
        self._before = (time.monotonic(), time.process_time())

    def read(self) -> List[Sample]:
        """Return the cost since the reading before, and the counters."""
        now, spent = time.monotonic(), time.process_time()
        since, spent_since = now - self._before[0], spent - self._before[1]
        self._before = (now, spent)
        waiting, dropped = self._backlog()
        sample = Sample(
            "fedbed_agent",
            {
                "memory": self._process.memory_info().rss,
                "waiting": waiting,
                "dropped": dropped,
                "failures": self._failures(),
            },
        )
        if since > 0:
            sample.fields["cpu"] = 100.0 * spent_since / since
        ahead_s = self._wall_ahead_s()
        if ahead_s is not None:
            sample.fields["clock_offset"] = ahead_s
        return [sample]
