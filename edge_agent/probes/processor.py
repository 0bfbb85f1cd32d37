"""How busy the processor is, and its clock.

Times and load: psutil, that is /proc/stat and /proc/loadavg (proc(5)). Clock: cpufreq,
https://docs.kernel.org/admin-guide/pm/cpufreq.html#policy-interface-in-sysfs
On a Raspberry Pi only `cpuinfo_cur_freq`, which root alone may read, tells the clock that the
firmware has capped; `scaling_cur_freq` tells what was asked for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import List, Tuple

import psutil

from edge_agent.probes import files
from edge_agent.probes.base import Probe
from fedbed.telemetry.point import Sample

POLICIES = 16
"""Of so many groups of cores the clock is read: boards have up to three, large machines 100."""


class ProcessorProbe(Probe):
    """fedbed_cpu."""

    name = "processor"

    def __init__(self, sysfs: Path = Path("/sys")) -> None:
        self._clocks = [
            clock
            for policy in sorted(sysfs.glob("devices/system/cpu/cpufreq/policy*"))[:POLICIES]
            for clock in _clock_of(policy)
        ]
        self._cores = os.cpu_count() or 1
        self._before = _times()

    def read(self) -> List[Sample]:
        """Return the share of busy time since the reading before, the load and the clock."""
        total, idle = _times()
        since, idle_since = total - self._before[0], idle - self._before[1]
        self._before = (total, idle)
        sample = Sample("fedbed_cpu", {"load1": os.getloadavg()[0], "cores": self._cores})
        if since > 0:
            # Idle time may run backwards a little: the kernel sums it up over cores.
            sample.fields["usage"] = 100.0 * min(1.0, max(0.0, 1.0 - idle_since / since))
        kilohertz = [hz for hz in map(files.number, self._clocks) if hz]
        if kilohertz:
            sample.fields["frequency"] = max(kilohertz) * 1000.0
        return [sample]


def _times() -> Tuple[float, float]:
    """Return the seconds of all cores since start, and those of them in which they were idle."""
    times = psutil.cpu_times()._asdict()
    # What guests use is in the time of users already.
    total = sum(s for kind, s in times.items() if kind not in ("guest", "guest_nice"))
    return total, times["idle"] + times.get("iowait", 0.0)


def _clock_of(policy: Path) -> List[Path]:
    for name in ("cpuinfo_cur_freq", "scaling_cur_freq"):
        if files.number(policy / name):
            return [policy / name]
    return []
