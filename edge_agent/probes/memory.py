"""Main memory and swap: /proc/meminfo, https://docs.kernel.org/filesystems/proc.html#meminfo

Read once for both, where psutil reads it twice and vmstat besides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List

from edge_agent.probes import files
from edge_agent.probes.base import Probe
from fedbed.telemetry.point import Sample, Value


class MemoryProbe(Probe):
    """fedbed_memory."""

    name = "memory"

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._path = proc / "meminfo"
        if not self._path.is_file():
            self.absent = f"there is no {self._path}"

    def read(self) -> List[Sample]:
        """Return what there is, and what of it programs can still have."""
        kilobytes = {}
        for line in files.text(self._path).splitlines():
            name, _, rest = line.partition(":")
            kilobytes[name] = rest
        sizes = {
            name: int(kilobytes[name].split()[0]) * 1024
            for name in ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree")
        }
        total, available = sizes["MemTotal"], sizes["MemAvailable"]
        fields: Dict[str, Value] = {
            "total": total,
            "available": available,
            "used": 100.0 * (1 - available / total),
            "swap_total": sizes["SwapTotal"],
            "swap_used": sizes["SwapTotal"] - sizes["SwapFree"],
        }
        return [Sample("fedbed_memory", fields)]
