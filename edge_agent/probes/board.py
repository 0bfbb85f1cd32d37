"""Which board this is, and what it is set to.

Model: the device tree's, https://docs.kernel.org/devicetree/usage-model.html; PCs have none.
Power mode: `nvpmodel` of a Jetson keeps the mode's number in /var/lib/nvpmodel/status and the names
in /etc/nvpmodel.conf; Jetson Linux Developer Guide, "Supported Modes and Power Efficiency".
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Callable, Dict, List

from edge_agent.probes import files
from edge_agent.probes.base import Probe
from fedbed.telemetry.point import Sample, Value

EVERY_S = 60.0
_MODE = re.compile(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>")


class BoardProbe(Probe):
    """fedbed_board: at the first reading, at each change, and every minute."""

    name = "board"

    def __init__(
        self,
        sysfs: Path = Path("/sys"),
        root: Path = Path("/"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._next = clock()
        self._told: Dict[str, Value] = {}
        self._model = files.text_or_none(sysfs / "firmware" / "devicetree" / "base" / "model") or ""
        self._status = root / "var" / "lib" / "nvpmodel" / "status"
        self._has_modes = self._status.is_file()
        names = files.text_or_none(root / "etc" / "nvpmodel.conf") or ""
        self._modes: Dict[int, str] = {int(number): name for number, name in _MODE.findall(names)}
        if not self._model:
            self.absent = "no device tree with a model: this is no board"

    def read(self) -> List[Sample]:
        """Return model and power mode when there is something to tell."""
        fields: Dict[str, Value] = {"model": self._model}
        if self._has_modes:
            fields["power_mode"] = self._mode()
        if fields == self._told and self._clock() < self._next:
            return []
        self._told, self._next = fields, self._clock() + EVERY_S
        return [Sample("fedbed_board", dict(fields))]

    def _mode(self) -> str:
        digits = re.sub(r"\D", "", files.text_or_none(self._status) or "")
        if not digits:
            return ""
        return self._modes.get(int(digits), str(int(digits)))
