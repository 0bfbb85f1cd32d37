"""Room on the disk of the state folder, and what all disks read and write.

Room: statvfs(3). Traffic: /proc/diskstats, https://docs.kernel.org/admin-guide/iostats.html
Only hardware is counted, which has a `device` in /sys/block: what lies on top of it (partitions,
LVM, RAID, loop devices) would count the same bytes again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List

from edge_agent.probes import files
from edge_agent.probes.base import Probe
from fedbed.telemetry.point import Sample, Value

SECTOR = 512
"""Bytes; the kernel counts in these whatever the hardware's sectors are."""


class DiskProbe(Probe):
    """fedbed_disk. Disks that are plugged in later aren't counted."""

    name = "disk"

    def __init__(
        self, folder: Path, sysfs: Path = Path("/sys"), proc: Path = Path("/proc")
    ) -> None:
        self._folder = folder
        self._stats = proc / "diskstats"
        self._disks = {device.parent.name for device in sysfs.glob("block/*/device")}

    def read(self) -> List[Sample]:
        """Return room and traffic; traffic is left out where no disk is in sight (containers)."""
        disk = os.statvfs(str(self._folder))
        free = disk.f_bavail * disk.f_frsize
        taken = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        fields: Dict[str, Value] = {"total": disk.f_blocks * disk.f_frsize, "free": free}
        if taken + free > 0:
            # As df counts: what is kept for root is neither taken nor free.
            fields["used"] = 100.0 * taken / (taken + free)
        read = written = 0
        seen = False
        for line in (files.text_or_none(self._stats) or "").splitlines():
            columns = line.split()
            if len(columns) >= 10 and columns[2] in self._disks:
                seen = True
                read += int(columns[5]) * SECTOR
                written += int(columns[9]) * SECTOR
        if seen:
            fields.update(read=read, written=written)
        return [Sample("fedbed_disk", fields)]
