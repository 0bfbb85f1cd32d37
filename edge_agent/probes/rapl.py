"""Energy counters of Intel's and AMD's processors: RAPL, by the powercap interface.

https://docs.kernel.org/power/powercap/powercap.html; Intel's Software Developer's Manual, volume 3,
section 15.10. Only root may read the counters since Linux 5.10 (CVE-2020-8694).

Rails: `package-N` is a socket with its cores; `package-N dram` its memory, which the package
doesn't include; `psys` the platform, which includes all of them. Parts of a package (core, uncore)
are left out, so that nobody adds them to it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Callable, List, Optional

from edge_agent.probes import files
from edge_agent.probes.base import Probe
from fedbed.telemetry.point import Sample


class RaplProbe(Probe):
    """fedbed_power of the processor, measured."""

    name = "rapl"

    def __init__(
        self, sysfs: Path = Path("/sys"), clock: Callable[[], float] = time.monotonic
    ) -> None:
        folders = sorted(sysfs.glob("class/powercap/intel-rapl:*"))
        rails = [(_rail(folder, sysfs), folder) for folder in folders]
        self._domains = [_Domain(rail, folder, clock) for rail, folder in rails if rail]
        if not self._domains:
            self.absent = "no RAPL counters in /sys/class/powercap"
        elif all(files.number(domain.counter) is None for domain in self._domains):
            self.absent = "the RAPL counters may only be read by root"

    def read(self) -> List[Sample]:
        """Return each domain's energy since the agent's start, and its mean power since then."""
        samples = [domain.read() for domain in self._domains]
        return [sample for sample in samples if sample is not None]


class _Domain:
    def __init__(self, rail: str, folder: Path, clock: Callable[[], float]) -> None:
        self.counter = folder / "energy_uj"
        self._tags = {"rail": rail, "method": "measured"}
        self._clock = clock
        # The counter begins anew at 0 after its range: at 100 W after 44 minutes.
        self._range = files.number(folder / "max_energy_range_uj") or 0
        self._before: Optional[int] = None
        self._at = 0.0
        self._joules = 0.0

    def read(self) -> Optional[Sample]:
        counter, now = files.number(self.counter), self._clock()
        if counter is None:
            return None
        before, seconds = self._before, now - self._at
        self._before, self._at = counter, now
        sample = Sample("fedbed_power", {"energy": self._joules}, dict(self._tags))
        if before is None:
            return sample
        if counter < before and not self._range:
            return None
        joules = (counter - before + (self._range if counter < before else 0)) / 1e6
        self._joules += joules
        sample.fields["energy"] = self._joules
        if seconds > 0:
            sample.fields["power"] = joules / seconds
        return sample


def _rail(folder: Path, sysfs: Path) -> str:
    """Return a domain's rail; empty for what is part of another."""
    name = files.text_or_none(folder / "name") or ""
    parts = folder.name.split(":")
    if len(parts) == 2:
        return name
    if name != "dram":
        return ""
    package = files.text_or_none(sysfs / "class" / "powercap" / ":".join(parts[:2]) / "name")
    return f"{package} {name}"
