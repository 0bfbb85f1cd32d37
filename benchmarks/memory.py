"""What processes hold in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import psutil

MB = 1e6


@dataclass(frozen=True)
class Memory:
    """Of some processes together, in MB.

    resident: the sum of what each has in memory (RSS), as `ps` and `top` show it; pages that
    several share count in each. own: pages that they share are shared out (PSS on Linux), or left
    out (USS) where the system doesn't tell.
    """

    resident: float
    own: float


def of(processes: Iterable[psutil.Process]) -> Memory:
    """Measure them; one that ends meanwhile counts nothing."""
    resident, own = 0.0, 0.0
    for process in processes:
        try:
            found = process.memory_full_info()
        except psutil.NoSuchProcess:
            continue
        resident += found.rss / MB
        own += getattr(found, "pss", found.uss) / MB
    return Memory(resident, own)


def cpu_s(processes: Iterable[psutil.Process]) -> float:
    """Seconds of CPU that they have used so far, user and system."""
    total = 0.0
    for process in processes:
        times = process.cpu_times()
        total += times.user + times.system
    return float(total)
