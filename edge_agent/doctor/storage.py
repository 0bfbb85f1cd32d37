"""The state folder and what it lies on: room, writing, the file system, the flash."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence

from edge_agent.doctor import mounts
from edge_agent.doctor.check import Check, Group
from edge_agent.doctor.mounts import Mount
from edge_agent.doctor.setup import Setup
from edge_agent.probes import files
from fedbed.link.health import FAIL, Finding
from fedbed.units import format_bytes, format_duration

LEAST_ROOM, GOOD_ROOM = 200 * 1000 * 1000, 1000 * 1000 * 1000
LEAST_INODES = 1000
SLOW_WRITE_S = 2.0
_TRIED_BYTES = 4096
_URGENT, _WARNING = 3, 2
"""pre_eol_info: 1 normal, 2 warning (80 % of the reserve is used), 3 urgent (90 %)."""
_WORN = 9
"""life_time: 1 for up to 10 % of the life that the maker estimates, 9 for 80 to 90 %, 11: over."""

DISK = Check(
    "disk",
    warns="less than 1 GB is free on the state folder's disk",
    fails="less than 200 MB or 1000 inodes are free there",
    why="models, updates and samples are cached there; on a full disk training waits for room",
    mend="sudo apt clean && sudo journalctl --vacuum-size=50M",
    source="[statvfs(3)](https://man7.org/linux/man-pages/man3/statvfs.3.html)",
)
STATE = Check(
    "state-folder",
    warns="writing 4 kB to it takes more than 2 s, or others can read the node's key",
    fails="it can't be made, or nothing can be written there, or the key can't be read",
    why="the node's identity and the updates that it hasn't sent yet lie there",
    mend="run the doctor as the agent's user, or give another folder with --state-dir",
)
FILESYSTEM = Check(
    "filesystem",
    warns="",
    fails="it is mounted read-only, or ext4 has counted errors since the last fsck",
    why="the kernel mounts a damaged file system read-only; a card that begins to fail loses more",
    mend="save what you need; boot once with fsck.mode=force on the kernel's command line "
    "(systemd-fsck(8)); then a new SD card",
    source="[ext4(5)](https://man7.org/linux/man-pages/man5/ext4.5.html), errors=remount-ro; "
    "`errors_count` in /sys/fs/ext4 (fs/ext4/sysfs.c)",
)
FLASH = Check(
    "flash",
    warns="eMMC has used 80 % of its life or of its reserve blocks",
    fails="eMMC has outlived the maker's estimate, or used 90 % of its reserve",
    why="worn flash turns read-only from one day to the next",
    mend="move the state folder to another disk (--state-dir), and replace the module",
    source="[MMC attributes](https://docs.kernel.org/driver-api/mmc/mmc-dev-attrs.html); "
    "JEDEC JESD84-B51, 7.4: DEVICE_LIFE_TIME_EST, PRE_EOL_INFO",
)


@dataclass(frozen=True)
class Room:
    """Free bytes; inodes None where the file system has no fixed number of them."""

    free: int
    inodes: Optional[int]


@dataclass(frozen=True)
class StateReading:
    """What became of writing to the state folder. error: empty if it could be done."""

    error: str = ""
    is_new: bool = False
    write_s: float = 0.0
    key_mode: Optional[int] = None


@dataclass(frozen=True)
class Flash:
    """A card or module; wear: the worse of its life times, end: pre_eol_info; None: not told."""

    name: str
    kind: str
    wear: Optional[int] = None
    end: Optional[int] = None


def judge_disk(room: Room, folder: Path) -> Finding:
    """Conclude on the room on the disk."""
    text = f"{format_bytes(room.free)} free for {folder}"
    if room.inodes is not None and room.inodes < LEAST_INODES:
        return DISK.fail(f"{room.inodes} inodes are free for {folder}: too many small files")
    if room.free < LEAST_ROOM:
        return DISK.fail(text)
    return DISK.warn(text) if room.free < GOOD_ROOM else DISK.ok(text)


def judge_state(reading: StateReading, folder: Path) -> Finding:
    """Conclude on the state folder."""
    if reading.error:
        return STATE.fail(f"{folder}: {reading.error}")
    if reading.is_new:
        return STATE.ok(f"{folder} is not there yet; it can be made")
    if reading.key_mode is not None and reading.key_mode & 0o077:
        mode = f"{reading.key_mode & 0o777:o}"
        mend = f"chmod 600 {folder / 'node.key'}"
        return STATE.warn(f"the node's key is readable for others (mode {mode})", mend)
    if reading.write_s > SLOW_WRITE_S:
        mend = "a faster SD card (class A1 or A2), or fewer programs that write to it"
        return STATE.warn(f"writing 4 kB took {format_duration(reading.write_s)}", mend)
    return STATE.ok(f"{folder}: written in {format_duration(reading.write_s)}")


def judge_filesystem(mount: Optional[Mount], errors: Optional[int]) -> Finding:
    """Conclude on the file system; errors: ext4's count, None if it is another kind."""
    if mount is None:
        return FILESYSTEM.skipped("what is mounted is not known")
    where = f"{mount.kind} at {mount.point}"
    if mount.read_only:
        return FILESYSTEM.fail(f"{where} is mounted read-only")
    if errors:
        return FILESYSTEM.fail(f"{where} has {errors} errors since the last fsck")
    return FILESYSTEM.ok(f"{where}, writable" + ("" if errors is None else ", no errors"))


def judge_flash(modules: Sequence[Flash]) -> Finding:
    """Conclude on SD cards and eMMC modules."""
    if not modules:
        return FLASH.skipped("no SD card and no eMMC")
    told, worst = [], 0
    for module in modules:
        wear, end = module.wear or 0, module.end or 0
        if not wear and not end:
            told.append(f"{module.name}: {module.kind}, which tells nothing of its wear")
            continue
        told.append(f"{module.name}: {module.kind}, {min(wear, 10) * 10} % of its life used")
        if wear > 10 or end >= _URGENT:
            worst = 2
        elif wear >= _WORN or end == _WARNING:
            worst = max(worst, 1)
    text = "; ".join(told)
    return (FLASH.ok, FLASH.warn, FLASH.fail)[worst](text)


def room_of(folder: Path) -> Room:
    """Return the room for what is written to a folder, or to the nearest that there is of it."""
    found = os.statvfs(str(nearest(folder)))
    return Room(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def nearest(folder: Path) -> Path:
    """Return the folder, or the nearest above it that exists."""
    return next(part for part in (folder, *folder.parents) if part.is_dir())


def try_state(folder: Path) -> StateReading:
    """Write a file to the state folder, make it durable, remove it; a folder is not made."""
    if not folder.is_dir():
        parent = nearest(folder.absolute())
        if os.access(str(parent), os.W_OK | os.X_OK):
            return StateReading(is_new=True)
        return StateReading(error=f"can't be made: {parent} is not writable for this user")
    key = folder / "node.key"
    trial = folder / f".doctor-{os.getpid()}"
    began = time.monotonic()
    try:
        mode = key.stat().st_mode if key.exists() else None
        if mode is not None:
            key.read_bytes()
        with trial.open("xb") as f:
            try:
                f.write(b"\0" * _TRIED_BYTES)
                f.flush()
                os.fsync(f.fileno())
            finally:
                trial.unlink()
    except OSError as error:
        what = "its node.key can't be read" if error.filename == str(key) else "can't be written"
        return StateReading(error=f"{what} ({error.strerror})")
    return StateReading(write_s=time.monotonic() - began, key_mode=mode)


def ext4_errors(mount: Optional[Mount], sysfs: Path) -> Optional[int]:
    """Return how many errors ext4 has met on a mount's device; None if it isn't ext4."""
    if mount is None or mount.kind != "ext4":
        return None
    # By its number: the device may be called /dev/root.
    name = (sysfs / "dev" / "block" / mount.number).resolve().name
    return files.number(sysfs / "fs" / "ext4" / name / "errors_count")


def flash_modules(sysfs: Path) -> List[Flash]:
    """Return SD cards and eMMC modules with what they tell of their wear."""
    found = []
    for device in sorted(sysfs.glob("block/mmcblk*/device")):
        kind = {"SD": "an SD card", "MMC": "eMMC"}.get(files.text_or_none(device / "type") or "")
        lives = (files.text_or_none(device / "life_time") or "").split()
        end = files.text_or_none(device / "pre_eol_info") or ""
        wear = max((int(life, 16) for life in lives), default=0) or None
        module = Flash(device.parent.name, kind or "flash", wear, int(end, 16) if end else None)
        found.append(module)
    return found


def _examine(setup: Setup) -> List[Finding]:
    folder = setup.state_dir.absolute()
    mount = mounts.of(nearest(folder).resolve(), mounts.read(setup.proc))
    return [
        judge_disk(room_of(folder), folder),
        judge_state(try_state(folder), folder),
        judge_filesystem(mount, ext4_errors(mount, setup.sysfs)),
        judge_flash(flash_modules(setup.sysfs)),
    ]


GROUP = Group("storage", (DISK, STATE, FILESYSTEM, FLASH), _examine, limit_s=8.0, overrun=FAIL)
