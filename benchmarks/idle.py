"""What an agent costs that waits for work."""

from __future__ import annotations

import time
from typing import Any

import psutil

from fedbed.testbed import LocalTestbed

NODES = 4
SETTLE_S = 2.0
WATCH_S = 30.0


def measure() -> list[dict[str, Any]]:
    """Resident memory and CPU share of idle agents: the most expensive of four, over 30 s."""
    with LocalTestbed(nodes=NODES) as testbed:
        agents = [psutil.Process(p.pid) for p in testbed.processes[1:]]
        time.sleep(SETTLE_S)
        began = time.monotonic()
        before = [_cpu_s(agent) for agent in agents]
        time.sleep(WATCH_S)
        elapsed = time.monotonic() - began
        shares = [
            100 * (_cpu_s(agent) - start) / elapsed
            for agent, start in zip(agents, before, strict=True)
        ]
        memory = [agent.memory_info().rss / 1e6 for agent in agents]
    return [
        {"what": "idle agent, resident memory", "ours": max(memory), "unit": "MB", "goal": 30},
        {"what": "idle agent, share of a core", "ours": max(shares), "unit": "%", "goal": 0.5},
    ]


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
