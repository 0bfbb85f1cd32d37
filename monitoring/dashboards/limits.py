"""Where a value becomes a worry: what panels colour and alert rules fire at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """From `warn` on a panel is orange; from `bad` on it is red and an alert fires."""

    warn: float
    bad: float


DISK = Limit(75.0, 90.0)
"""percent; agents and coordinators need room for updates that are on their way"""
MEMORY = Limit(75.0, 90.0)
"""percent; above, a board begins to swap, or the kernel ends the worker"""
TEMPERATURE = Limit(70.0, 80.0)
"""degrees Celsius; a Raspberry Pi lowers its clock from 80 on (raspberrypi.com: thermal control)"""
CPU = Limit(80.0, 95.0)
"""percent; busy is what training nodes should be, so no alert asks for it"""
ROUND_AGE_S = 1800.0
"""A round this old has outlived every deadline that the example experiments give."""
