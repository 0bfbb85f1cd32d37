"""What slows a Raspberry Pi down: too little voltage, too much heat.

Bits: https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
The file `get_throttled` of the firmware's driver (drivers/firmware/raspberrypi.c of Raspberry Pi's
kernel) is read where there is one, in hexadecimal; else `vcgencmd get_throttled` is asked now and
then.

The kernel's voltage monitor (drivers/hwmon/raspberrypi-hwmon.c) has the firmware forget what
happened since boot every two seconds, on many kernels. So the probe remembers what it has seen.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import Callable, List, Optional

from edge_agent.probes import files
from edge_agent.probes.base import Probe
from fedbed.telemetry.point import Sample

FLAGS = ("undervoltage", "capped", "throttled", "soft_limit")
"""Bits 0 to 3: at the moment; bits 16 to 19: since boot."""
COMMAND_EVERY_S = 10.0
"""Starting a process each second would cost more than all other probes together."""
COMMAND_LIMIT_S = 3.0


class RaspberryPiProbe(Probe):
    """fedbed_throttling. path: where to look for `vcgencmd`, else as usual."""

    name = "raspberry-pi"

    def __init__(
        self,
        sysfs: Path = Path("/sys"),
        path: Optional[str] = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._next = clock()
        self._seen = 0
        self._command: Optional[str] = None
        # A Pi 5 has its address in the folders' names.
        self._file = next(
            iter(sysfs.glob("devices/platform/soc*/soc*:firmware/get_throttled")), None
        )
        if self._file is not None:
            return
        model = files.text_or_none(sysfs / "firmware" / "devicetree" / "base" / "model") or ""
        if not model.startswith("Raspberry Pi"):
            self.absent = "this is no Raspberry Pi"
            return
        self._command = shutil.which("vcgencmd", path=path)
        self.is_slow = True
        if self._command is None:
            self.absent = "the firmware's driver shows no get_throttled, and there is no vcgencmd"

    def read(self) -> List[Sample]:
        """Return the flags; with vcgencmd every 10 s only."""
        if self._file is not None:
            bits = int(files.text(self._file), 16)
        elif self._clock() < self._next:
            return []
        else:
            self._next = self._clock() + COMMAND_EVERY_S
            bits = self._ask()
        self._seen |= bits & 0xF | bits >> 16 & 0xF
        fields = {name: bool(bits >> bit & 1) for bit, name in enumerate(FLAGS)}
        for bit, name in enumerate(FLAGS):
            fields[f"{name}_since_boot"] = bool(self._seen >> bit & 1)
        return [Sample("fedbed_throttling", dict(fields))]

    def _ask(self) -> int:
        assert self._command is not None
        done = subprocess.run(  # nosec B603 # the firmware's own tool
            [self._command, "get_throttled"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_LIMIT_S,
            check=False,
        )
        said = done.stdout.decode(errors="replace").strip()
        name, _, value = said.partition("=")
        if done.returncode != 0 or name != "throttled":
            raise ValueError(f"vcgencmd says '{said[:100]}'")
        return int(value, 16)
