"""Which file system a folder lies on: /proc/self/mountinfo, proc_pid_mountinfo(5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence

from edge_agent.probes import files

_ESCAPE = re.compile(r"\\([0-7]{3})")
_CARD = re.compile(r"(?:/dev/)?mmcblk\d+(?:p\d+)?")


@dataclass(frozen=True)
class Mount:
    """point: where. device: what is mounted there. number: its 'major:minor'."""

    point: str
    number: str
    kind: str
    device: str
    read_only: bool


def read(proc: Path = Path("/proc")) -> List[Mount]:
    """Return all mounts, as this process sees them."""
    return parse(files.text_or_none(proc / "self" / "mountinfo") or "")


def parse(text: str) -> List[Mount]:
    """Read lines of '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=x'."""
    found = []
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        before, after = left.split(), right.split()
        if not separator or len(before) < 6 or len(after) < 3:
            continue
        options = {*before[5].split(","), *after[2].split(",")}
        point, device = _plain(before[4]), _plain(after[1])
        found.append(Mount(point, before[2], after[0], device, "ro" in options))
    return found


def of(folder: Path, mounts: Sequence[Mount]) -> Optional[Mount]:
    """Return the mount that holds a folder, which need not exist; the last of the same place."""
    parts = [str(folder), *map(str, folder.parents)]
    for part in parts:
        for mount in reversed(mounts):
            if mount.point == part:
                return mount
    return None


def device_of(folder: Path, mounts: Sequence[Mount]) -> str:
    """Return the device under a folder; empty if that isn't known."""
    mount = of(folder, mounts)
    return "" if mount is None else mount.device


def is_card(device: str) -> bool:
    """Whether a device is an SD card or eMMC, by its name."""
    return _CARD.fullmatch(device) is not None


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match.group(1), 8)), text)
