"""Power rails behind INA3221 monitors, as on NVIDIA's Jetson boards.

Data sheet: Texas Instruments SBOS576. Two drivers show them:
- Linux: https://docs.kernel.org/hwmon/ina3221.html, in millivolt and milliampere (JetPack 5, 6);
- NVIDIA's `ina3221x` for Linux 4.9, as an IIO device with rail_name_N and in_powerN_input in
  milliwatt (JetPack 4: Nano, TX2, Xavier); L4T Development Guide 32.7, "Power Management".

`VDD_IN` (with JetPack 4 also `POM_5V_IN`) is the whole module; other rails are parts of it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Callable, List, Optional, Tuple

from edge_agent.probes import files
from edge_agent.probes.base import Probe
from edge_agent.probes.energy import EnergyMeter
from fedbed.telemetry.point import Sample

CHANNELS = 3
_UNCONNECTED = ("", "NC")


class Ina3221Probe(Probe):
    """fedbed_power, measured; energy is summed up from the power."""

    name = "ina3221"

    def __init__(
        self, sysfs: Path = Path("/sys"), clock: Callable[[], float] = time.monotonic
    ) -> None:
        found = _by_hwmon(sysfs) or _by_iio(sysfs)
        self._rails = [(rail, factors, EnergyMeter(clock)) for rail, factors in found]
        if not self._rails:
            self.absent = "no INA3221 monitor in hwmon or iio"

    def read(self) -> List[Sample]:
        """Return the power of each rail."""
        samples = []
        for rail, factors, meter in self._rails:
            watts = _watts(factors)
            if watts is not None:
                tags = {"rail": rail, "method": "measured"}
                samples.append(Sample("fedbed_power", meter.fields(watts), tags))
        return samples


Factors = List[Path]
"""One file with milliwatt, or two with millivolt and milliampere."""


def _watts(factors: Factors) -> Optional[float]:
    product = 1.0
    for path in factors:
        thousandths = files.number(path)
        if thousandths is None:
            return None
        product *= thousandths / 1000
    return product


def _by_hwmon(sysfs: Path) -> List[Tuple[str, Factors]]:
    found = []
    for folder in sorted(sysfs.glob("class/hwmon/hwmon*")):
        if files.text_or_none(folder / "name") != "ina3221":
            continue
        for channel in range(1, CHANNELS + 1):
            rail = files.text_or_none(folder / f"in{channel}_label") or ""
            if rail not in _UNCONNECTED:
                factors = [folder / f"in{channel}_input", folder / f"curr{channel}_input"]
                found.append((rail, factors))
    return found


def _by_iio(sysfs: Path) -> List[Tuple[str, Factors]]:
    found = []
    for folder in sorted(sysfs.glob("bus/iio/devices/iio:device*")):
        for channel in range(CHANNELS):
            rail = files.text_or_none(folder / f"rail_name_{channel}") or ""
            if rail not in _UNCONNECTED:
                found.append((rail, [folder / f"in_power{channel}_input"]))
    return found
