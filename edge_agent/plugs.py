"""Smart plugs that tell the broker what they measure: Tasmota and Shelly.

Tasmota: `tele/NAME/SENSOR` every TelePeriod (300 s unless changed; 10 s at the least) with power in
watts and the total in kilowatt-hours, https://tasmota.github.io/docs/MQTT/ and
https://tasmota.github.io/docs/Commands/#power-monitoring. A plug with several outlets may give
lists. Shelly, first generation: `shellies/NAME/relay/0/power` in watts and `.../energy` in
watt-minutes, https://shelly-api-docs.shelly.cloud/gen1/. Since the second:
`NAME/status/switch:0` with `apower` in watts and `aenergy.total` in watt-hours ("Generic status
update over MQTT" must be on),
https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Switch/#status.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from fedbed.telemetry.point import Sample

TASMOTA, SHELLY_1, SHELLY = "tasmota", "shelly1", "shelly"
KINDS = (TASMOTA, SHELLY_1, SHELLY)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
MAX_BYTES = 16 * 1024
_J_PER_WH = 3600.0
_J_PER_WATT_MINUTE = 60.0


@dataclass(frozen=True)
class Reading:
    """What one message says: watts, and joules since the plug counts; None where it doesn't."""

    power: Optional[float] = None
    energy: Optional[float] = None


@dataclass(frozen=True)
class Plug:
    """A plug by its kind and by its name in topics."""

    kind: str
    name: str

    @classmethod
    def named(cls, text: str) -> Plug:
        """Read 'tasmota:NAME'; ValueError says what is wrong with it."""
        kind, separator, name = text.partition(":")
        if not separator or kind not in KINDS or not _NAME.fullmatch(name):
            allowed = ", ".join(f"{kind}:NAME" for kind in KINDS)
            raise ValueError(
                f"given '{text}', allowed: {allowed}, where NAME holds letters, digits, '.', '_' "
                "and '-' only"
            )
        return cls(kind, name)

    @property
    def topics(self) -> List[str]:
        """The topics that it writes to."""
        if self.kind == TASMOTA:
            return [f"tele/{self.name}/SENSOR"]
        if self.kind == SHELLY_1:
            relay = f"shellies/{self.name}/relay/0"
            return [f"{relay}/power", f"{relay}/energy"]
        return [f"{self.name}/status/switch:0"]

    def read(self, topic: str, payload: bytes) -> Reading:
        """Read a message; an empty Reading if it holds nothing of the kind."""
        if topic not in self.topics or len(payload) > MAX_BYTES:
            return Reading()
        try:
            found = json.loads(payload)
        except (ValueError, RecursionError):
            return Reading()
        if self.kind == SHELLY_1:
            if topic.endswith("/power"):
                return Reading(power=_number(found))
            return Reading(energy=_scaled(_number(found), _J_PER_WATT_MINUTE))
        if self.kind == TASMOTA:
            values = _object(found, "ENERGY")
            energy = _scaled(_number(values.get("Total")), 1000 * _J_PER_WH)
            return Reading(_number(values.get("Power")), energy)
        total = _object(found, "aenergy").get("total")
        return Reading(_number(_object(found).get("apower")), _scaled(_number(total), _J_PER_WH))


class Meter:
    """Turns readings into samples, whose energy counts from the agent's start."""

    def __init__(self) -> None:
        self._last: Optional[float] = None
        self._energy = 0.0

    def sample(self, reading: Reading) -> Optional[Sample]:
        """Return what a reading adds to what is known; None if it holds nothing."""
        fields: Dict[str, Any] = {}
        if reading.power is not None:
            fields["power"] = reading.power
        if reading.energy is not None:
            # A plug that was reset counts from 0 again.
            if self._last is not None and reading.energy >= self._last:
                self._energy += reading.energy - self._last
            self._last = reading.energy
            fields["energy"] = self._energy
        if not fields:
            return None
        return Sample("fedbed_power", fields, {"rail": "plug", "method": "measured"})


def _object(found: Any, key: str = "") -> Dict[str, Any]:
    inner = found.get(key) if key and isinstance(found, dict) else found
    return inner if isinstance(inner, dict) else {}


def _number(found: Any) -> Optional[float]:
    if isinstance(found, list):
        numbers = [number for number in map(_number, found) if number is not None]
        return sum(numbers) if numbers and len(numbers) == len(found) else None
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return None
    try:
        value = float(found)
    except OverflowError:  # a whole number beyond what a float holds
        return None
    return value if math.isfinite(value) else None


def _scaled(value: Optional[float], factor: float) -> Optional[float]:
    return None if value is None else value * factor
