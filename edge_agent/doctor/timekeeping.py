"""Whether something keeps the clock right. How wrong it is, `link` finds out."""

from __future__ import annotations

import ctypes
from typing import List, Optional

from edge_agent.doctor.check import Check, Group
from edge_agent.doctor.setup import Setup
from fedbed.link.health import Finding

SYNCHRONIZED_US = 16_000_000
"""Error below which a clock counts as synchronised: systemd's `ntp_synced` (src/basic/time-util)
looks at this, too, and not at STA_UNSYNC, which only keeps the kernel from writing the RTC."""

NTP = Check(
    "ntp",
    warns="nothing has set the clock by NTP: the kernel gives it an error of 16 s or more",
    fails="",
    why="boards have no clock that runs without power: after a power cut they are hours off",
    mend="sudo apt install chrony && sudo systemctl enable --now chrony",
    source="[adjtimex(2)](https://man7.org/linux/man-pages/man2/adjtimex.2.html), maxerror",
)


class _Timex(ctypes.Structure):
    """The beginning of `struct timex`; the kernel writes 208 bytes at most."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("rest", ctypes.c_byte * 256),
    ]


def judge_ntp(error_us: Optional[int]) -> Finding:
    """Conclude on the clock's error as the kernel knows it, in microseconds."""
    if error_us is None:
        return NTP.skipped("the kernel doesn't tell")
    if error_us >= SYNCHRONIZED_US:
        return NTP.warn("nothing sets the clock")
    return NTP.ok(f"set by NTP, to {error_us / 1000:.0f} ms at worst")


def error_us() -> Optional[int]:
    """Ask the kernel, which changes nothing by that; None where it refuses (some containers)."""
    asked = _Timex()
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(asked))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else int(asked.maxerror)


def _examine(_setup: Setup) -> List[Finding]:
    return [judge_ntp(error_us())]


GROUP = Group("timekeeping", (NTP,), _examine)
