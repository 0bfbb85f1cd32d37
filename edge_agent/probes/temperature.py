"""Temperatures: hwmon and thermal zones.

https://docs.kernel.org/hwmon/sysfs-interface.html, temp[1-*]_input, in thousandths of a degree
https://docs.kernel.org/driver-api/thermal/sysfs-api.html, section 2: type and temp of a zone

A zone that hwmon mirrors (as the Pi's `cpu-thermal`) counts once. Sensors that sleep with their
hardware give an error or an impossible value (a Jetson's -256 degrees), and are left out while they
do. A Jetson's `PMIC-Die` shows 50 or 100 degrees whatever happens, and is left out for good.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List

from edge_agent.probes import files
from edge_agent.probes.base import Probe
from fedbed.telemetry.point import Sample

SENSORS = 16
"""So many are read: large machines have one for each core and memory module."""
_POSSIBLE = (-60.0, 200.0)
_IMAGINARY = ("PMIC-Die",)
_PER_CORE = "coretemp"


class TemperatureProbe(Probe):
    """fedbed_temperature."""

    name = "temperature"

    def __init__(self, sysfs: Path = Path("/sys")) -> None:
        sensors = _hwmon(sysfs)
        mirrored = {_plain(name) for name in sensors}
        for name, path in _zones(sysfs).items():
            if _plain(name.partition(" ")[0]) not in mirrored:
                sensors[name] = path
        self._sensors = dict(list(sensors.items())[:SENSORS])
        if not self._sensors:
            self.absent = "no sensor in hwmon and no thermal zone"

    def read(self) -> List[Sample]:
        """Return what each sensor shows that is awake."""
        samples = []
        for name, path in self._sensors.items():
            thousandths = files.number(path)
            if thousandths is not None and _POSSIBLE[0] < thousandths / 1000 < _POSSIBLE[1]:
                fields = {"value": thousandths / 1000}
                samples.append(Sample("fedbed_temperature", dict(fields), {"sensor": name}))
        return samples


def _hwmon(sysfs: Path) -> Dict[str, Path]:
    found: Dict[str, Path] = {}
    for folder in _in_order(sysfs, "class/hwmon/hwmon*"):
        chip = files.text_or_none(folder / "name") or folder.name
        inputs = sorted(folder.glob("temp*_input"), key=lambda p: (len(p.name), p.name))
        for path in inputs:
            label = files.text_or_none(path.with_name(path.name.replace("_input", "_label")))
            if chip == _PER_CORE and not (label or "").startswith("Package"):
                continue  # the package shows the hottest core
            _put(found, f"{chip} {label}" if label and len(inputs) > 1 else chip, path)
    return found


def _zones(sysfs: Path) -> Dict[str, Path]:
    found: Dict[str, Path] = {}
    for folder in _in_order(sysfs, "class/thermal/thermal_zone*"):
        kind = files.text_or_none(folder / "type")
        if kind and kind not in _IMAGINARY:
            _put(found, kind, folder / "temp")
    return found


def _in_order(sysfs: Path, pattern: str) -> List[Path]:
    """Folders by their number: hwmon10 after hwmon9."""
    return sorted(sysfs.glob(pattern), key=lambda p: (len(p.name), p.name))


def _put(found: Dict[str, Path], name: str, path: Path) -> None:
    """Enter a sensor; several of one name get numbers, or their points would hide each other."""
    number, unique = 1, name
    while unique in found:
        number += 1
        unique = f"{name} {number}"
    found[unique] = path


def _plain(name: str) -> str:
    return name.replace("-", "_")
