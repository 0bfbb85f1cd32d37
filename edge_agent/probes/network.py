"""What went over the network: /proc/net/dev, proc(5).

Only hardware is counted, which has a `device` in /sys/class/net: bridges, tunnels and containers'
ends would count the same bytes again. In a container no interface is hardware: there all but the
loopback are counted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List

from edge_agent.probes import files
from edge_agent.probes.base import Probe
from fedbed.telemetry.point import Sample


class NetworkProbe(Probe):
    """fedbed_network."""

    name = "network"

    def __init__(self, sysfs: Path = Path("/sys"), proc: Path = Path("/proc")) -> None:
        self._path = proc / "net" / "dev"
        self._class = sysfs / "class" / "net"
        self._is_hardware: Dict[str, bool] = {}
        """Of each interface that there was at the last reading."""
        if not self._path.is_file():
            self.absent = f"there is no {self._path}"

    def read(self) -> List[Sample]:
        """Return bytes and errors since start."""
        found: Dict[str, str] = {}
        for line in files.text(self._path).splitlines()[2:]:
            name, _, columns = line.partition(":")
            if name.strip() != "lo":
                found[name.strip()] = columns
        known = self._is_hardware
        self._is_hardware = {
            name: known[name] if name in known else (self._class / name / "device").exists()
            for name in found
        }
        hardware = [name for name in found if self._is_hardware[name]]
        counted = [list(map(int, found[name].split())) for name in hardware or found]
        fields = {
            "received": sum(one[0] for one in counted),
            "sent": sum(one[8] for one in counted),
            # Damaged and dropped, both ways.
            "errors": sum(one[2] + one[3] + one[10] + one[11] for one in counted),
        }
        return [Sample("fedbed_network", dict(fields))]
