"""The operating system, memory and swap, and the machine's name."""

from __future__ import annotations

import platform
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence

import psutil

from edge_agent.doctor import mounts
from edge_agent.doctor.check import Check, Group
from edge_agent.doctor.setup import Setup
from edge_agent.probes import files
from fedbed.link.health import Finding
from fedbed.units import format_bytes

LEAST_MEMORY = 400 * 1000 * 1000
"""Where no task is planned: an interpreter with torch takes some 300 MB before it learns."""
SMALL_BOARD = 3 * 1000 * 1000 * 1000
OLDEST_GLIBC = (2, 28)
GENERIC = ("raspberrypi", "localhost", "ubuntu", "debian", "raspbian", "jetson", "nano", "node")
"""Names that images come with: every second board in the room has them."""

SYSTEM = Check(
    "os",
    warns="the system is not Linux",
    fails="the userland has 32 bits, under a 64-bit kernel, too",
    why="there are no 32-bit Arm wheels of numpy and torch; a 64-bit kernel alone is not enough",
    mend="write a 64-bit image to the card (Raspberry Pi OS 64-bit) and provision the node anew",
    source="[Raspberry Pi OS](https://www.raspberrypi.com/software/operating-systems/)",
)
LIBC = Check(
    "libc",
    warns="the C library is not glibc, or older than 2.28",
    fails="",
    why="today's wheels of torch and numpy are for glibc 2.28 and newer: pip finds none that fits, "
    "and builds from source for hours",
    mend="use a newer image (Debian 10, Ubuntu 18.10 or newer), or a container that has one",
    source="[PEP 600](https://peps.python.org/pep-0600/), manylinux_2_28",
)
MEMORY = Check(
    "memory",
    warns="less is free than the task will take, but swap makes up for it",
    fails="less is free than the task will take, with swap",
    why="the kernel ends the worker when memory runs out, in every round, and with swap alone each "
    "step takes minutes",
    mend="end other programs, or choose a lighter task (mnist_cnn_light) or a smaller batch_size",
    source="MemAvailable, [proc_meminfo(5)]"
    "(https://man7.org/linux/man-pages/man5/proc_meminfo.5.html)",
)
SWAP = Check(
    "swap",
    warns="a machine with less than 3 GB of memory has no swap, or swap lies on an SD card",
    fails="",
    why="swap in compressed memory (zram) takes a peak; swap on an SD card wears it out, and "
    "stalls the node for seconds",
    mend="sudo apt install zram-tools",
    source="[zram](https://docs.kernel.org/admin-guide/blockdev/zram.html)",
)
NAME = Check(
    "name",
    warns="the node has the name that its image came with",
    fails="",
    why="the second board of that name is refused (NameTaken), and nobody can tell them apart",
    mend="sudo hostnamectl set-hostname pi-01   # or give the agent another --name",
)


@dataclass(frozen=True)
class MemoryReading:
    """In bytes. limit_left: what the cgroup's limit leaves; None without one."""

    available: int
    swap_free: int
    limit_left: Optional[int] = None


@dataclass(frozen=True)
class SwapArea:
    """A row of /proc/swaps; on_card: whether it lies on an SD card."""

    name: str
    size: int
    on_card: bool = False


def judge_system(system: str, machine: str, bits: int) -> Finding:
    """Conclude on kernel and userland; bits: of this interpreter's pointers."""
    if bits < 64:
        return SYSTEM.fail(f"a {bits}-bit userland ({system}, kernel for {machine})")
    if system != "Linux":
        return SYSTEM.warn(f"{system}, which nobody has tried", "use a 64-bit Linux")
    return SYSTEM.ok(f"{system}, 64 bits ({machine})")


def judge_libc(name: str, version: str) -> Finding:
    """Conclude on the C library, as platform.libc_ver tells it."""
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if name != "glibc":
        return LIBC.warn(f"{name} {version}".strip() or "no glibc (musl?)")
    return LIBC.warn(f"glibc {version}") if found < OLDEST_GLIBC else LIBC.ok(f"glibc {version}")


def judge_memory(reading: MemoryReading, needed: int) -> Finding:
    """Conclude on free memory; needed: bytes of the planned task, 0 if none is."""
    wanted = needed or LEAST_MEMORY
    free, limit = reading.available, ""
    if reading.limit_left is not None and reading.limit_left < free:
        free, limit = reading.limit_left, " within this service's limit"
    what = "the task takes about" if needed else "a worker with torch takes about"
    text = f"{format_bytes(free)} free{limit}; {what} {format_bytes(wanted)}"
    if free >= wanted:
        return MEMORY.ok(text)
    if not limit and free + reading.swap_free >= wanted:
        return MEMORY.warn(f"{text}, so that it will swap")
    if limit:
        return MEMORY.fail(text, "raise MemoryMax in the agent's unit: systemctl edit fedbed-agent")
    return MEMORY.fail(text)


def judge_swap(areas: Sequence[SwapArea], memory: int) -> Finding:
    """Conclude on swap; memory: the machine's, in bytes."""
    card = [area.name for area in areas if area.on_card]
    if card:
        mend = f"sudo apt install zram-tools && sudo swapoff {' '.join(card)}   # and from fstab"
        return SWAP.warn(f"{', '.join(card)} lies on the SD card", mend)
    if areas:
        total = sum(area.size for area in areas)
        return SWAP.ok(f"{format_bytes(total)} ({', '.join(area.name for area in areas)})")
    if memory < SMALL_BOARD:
        return SWAP.warn(f"none, with {format_bytes(memory)} of memory")
    return SWAP.ok(f"none, but {format_bytes(memory)} of memory")


def judge_name(name: str) -> Finding:
    """Conclude on the node's name."""
    return NAME.warn(f"'{name}'") if name.lower() in GENERIC else NAME.ok(f"'{name}'")


def limit_left(root: Path, sysfs: Path) -> Optional[int]:
    """Return how many bytes this process's cgroup may still take; None without a limit.

    https://docs.kernel.org/admin-guide/cgroup-v2.html, memory.max; version 1: memory.limit_in_bytes
    """
    left = []
    for line in (files.text_or_none(root / "proc" / "self" / "cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            names, base = ("memory.max", "memory.current"), sysfs / "fs" / "cgroup"
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            base = sysfs / "fs" / "cgroup" / "memory"
        else:
            continue
        # In a container the path is the host's: its own limit lies at the top.
        folders = (base / path.lstrip("/"), base)
        folder = next((f for f in folders if (f / names[0]).is_file()), base)
        limit, used = files.number(folder / names[0]), files.number(folder / names[1])
        # Version 1 says "none" by a number of almost 2**63.
        if limit is not None and used is not None and limit < 1 << 60:
            left.append(max(0, limit - used))
    return min(left, default=None)


def swap_areas(proc: Path) -> List[SwapArea]:
    """Read /proc/swaps, with sizes in KiB: proc_swaps(5)."""
    found = []
    root_device = mounts.device_of(Path("/"), mounts.read(proc))
    for line in (files.text_or_none(proc / "swaps") or "").splitlines()[1:]:
        name, kind, size = line.split()[:3]
        device = root_device if kind == "file" else name
        found.append(SwapArea(name, int(size) * 1024, mounts.is_card(device)))
    return found


def _examine(setup: Setup) -> List[Finding]:
    memory = psutil.virtual_memory()
    if setup.light:
        judged = MEMORY.skipped("the node trains: its worker has taken what it needs")
    else:
        left = limit_left(setup.root, setup.sysfs)
        reading = MemoryReading(memory.available, psutil.swap_memory().free, left)
        judged = judge_memory(reading, setup.memory_bytes)
    return [
        judge_system(platform.system(), platform.machine(), struct.calcsize("P") * 8),
        judge_libc(*platform.libc_ver()),
        judged,
        judge_swap(swap_areas(setup.proc), memory.total),
        judge_name(setup.name),
    ]


GROUP = Group("machine", (SYSTEM, LIBC, MEMORY, SWAP, NAME), _examine)
