"""Temperature, voltage and throttling, by the agent's own probes."""

from __future__ import annotations

from typing import List, Mapping, Optional

from edge_agent.doctor.check import Check, Group
from edge_agent.doctor.setup import Setup
from edge_agent.probes.raspberry_pi import RaspberryPiProbe
from edge_agent.probes.temperature import TemperatureProbe
from fedbed.link.health import Finding
from fedbed.telemetry.point import Value

HOT, TOO_HOT = 70.0, 80.0
_PI = (
    "[Raspberry Pi, frequency management]"
    "(https://www.raspberrypi.com/documentation/computers/raspberry-pi.html"
    "#frequency-management-and-thermal-control)"
)
_THROTTLED = (
    "[get_throttled](https://www.raspberrypi.com/documentation/computers/os.html#get_throttled)"
)

TEMPERATURE = Check(
    "temperature",
    warns="a sensor shows 70 degrees or more",
    fails="a sensor shows 80 degrees or more",
    why="a Raspberry Pi slows down from 80 degrees on (a 3B+ from 60), others a little later; "
    "training heats a board by 15 to 30 degrees more",
    mend="give it a heat sink, a fan, and a place with air",
    source=_PI,
)
UNDERVOLTAGE = Check(
    "undervoltage",
    warns="the voltage was below 4.63 V since boot",
    fails="it is at the moment",
    why="with a weak supply or cable a Raspberry Pi slows down, and writes to the card get lost",
    mend="use the board's own power supply with its own cable, and nothing between them",
    source=_THROTTLED,
)
THROTTLING = Check(
    "throttling",
    warns="the clock was capped or throttled since boot, or is at its soft limit",
    fails="it is capped or throttled at the moment",
    why="its times say nothing of the board, and rounds wait for it",
    mend="cool the board, mend the power supply, then: sudo reboot",
    source=_THROTTLED,
)


def judge_temperature(degrees: Mapping[str, float]) -> Finding:
    """Conclude on the hottest sensor."""
    if not degrees:
        return TEMPERATURE.skipped("no sensor")
    name = max(degrees, key=lambda sensor: degrees[sensor])
    text = f"{degrees[name]:.0f} degrees ({name})"
    if degrees[name] >= TOO_HOT:
        return TEMPERATURE.fail(text)
    return TEMPERATURE.warn(text) if degrees[name] >= HOT else TEMPERATURE.ok(text)


def judge_undervoltage(flags: Optional[Mapping[str, Value]], absent: str) -> Finding:
    """Conclude on a Pi's supply; flags: those of RaspberryPiProbe, None if it is `absent`."""
    if flags is None:
        return UNDERVOLTAGE.skipped(absent)
    if flags["undervoltage"]:
        return UNDERVOLTAGE.fail("below 4.63 V at the moment")
    if flags["undervoltage_since_boot"]:
        return UNDERVOLTAGE.warn("was below 4.63 V since boot")
    return UNDERVOLTAGE.ok("none since boot")


def judge_throttling(flags: Optional[Mapping[str, Value]], absent: str) -> Finding:
    """Conclude on what slows a Pi down."""
    if flags is None:
        return THROTTLING.skipped(absent)
    now = [name for name in ("capped", "throttled", "soft_limit") if flags[name]]
    if now and now != ["soft_limit"]:
        return THROTTLING.fail(f"at the moment: {', '.join(now)}")
    past = [name for name in ("capped", "throttled") if flags[f"{name}_since_boot"]]
    if now or past:
        return THROTTLING.warn(", ".join([*now, *(f"{name} since boot" for name in past)]))
    return THROTTLING.ok("none since boot")


def _examine(setup: Setup) -> List[Finding]:
    samples = TemperatureProbe(setup.sysfs).read()
    degrees = {sample.tags["sensor"]: float(sample.fields["value"]) for sample in samples}
    pi = RaspberryPiProbe(setup.sysfs)
    flags = None if pi.absent else dict(pi.read()[0].fields)
    return [
        judge_temperature(degrees),
        judge_undervoltage(flags, pi.absent),
        judge_throttling(flags, pi.absent),
    ]


GROUP = Group("heat", (TEMPERATURE, UNDERVOLTAGE, THROTTLING), _examine)
