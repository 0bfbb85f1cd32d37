from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from edge_agent.doctor import mounts, storage
from edge_agent.doctor.mounts import Mount
from edge_agent.doctor.storage import (
    Room,
    StateReading,
    ext4_errors,
    flash_modules,
    judge_disk,
    judge_filesystem,
    judge_flash,
    judge_state,
    room_of,
    try_state,
)
from fedbed.link.health import FAIL, OK, SKIPPED, WARN
from tests.edge_agent.probes.handmade import copy_of
from tests.parts import fill, need, small_disk

MB = 1000 * 1000
STATE = Path("/var/lib/fedbed")


def test_a_full_disk_fails(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, 4 * MB):
        fill(disk)
        assert judge_disk(room_of(disk / "state"), disk).level == FAIL
        reading = try_state(disk)
        assert "No space left on device" in reading.error
        assert judge_state(reading, disk).level == FAIL


def test_little_room_warns() -> None:
    assert judge_disk(Room(500 * MB, None), STATE).level == WARN
    assert judge_disk(Room(5000 * MB, 100_000), STATE).level == OK
    assert judge_disk(Room(5000 * MB, 10), STATE).level == FAIL


def test_a_state_folder_that_works_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "node.key").write_text("k")
    (tmp_path / "node.key").chmod(0o600)
    finding = judge_state(try_state(tmp_path), tmp_path)
    assert finding.level == OK
    assert [path.name for path in tmp_path.iterdir()] == ["node.key"]
    new = tmp_path / "a" / "b"
    assert judge_state(try_state(new), new).level == OK
    assert not new.parent.exists(), "who makes it owns it: that must be the agent"


def test_a_key_for_all_to_read_warns(tmp_path: Path) -> None:
    (tmp_path / "node.key").write_text("k")
    (tmp_path / "node.key").chmod(0o644)
    finding = judge_state(try_state(tmp_path), tmp_path)
    assert finding.level == WARN
    assert finding.mend == f"chmod 600 {tmp_path / 'node.key'}"


def test_a_slow_card_warns() -> None:
    assert judge_state(StateReading(write_s=5.0), STATE).level == WARN


def test_a_state_folder_of_another_user_fails() -> None:
    need(os.geteuid() == 0, "only root can become another user")
    code = (
        "import os, sys; from pathlib import Path; from edge_agent.doctor import storage;"
        "os.setgid(65534); os.setuid(65534);"
        "print(*[storage.try_state(Path(p)).error for p in sys.argv[1:]], sep='\\n')"
    )
    # Not below pytest's folders, which are closed to others altogether.
    with tempfile.TemporaryDirectory() as name:
        closed = Path(name)
        closed.chmod(0o755)
        command = [sys.executable, "-c", code, name, str(closed / "new")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert "can't be written (Permission denied)" in first
    assert "is not writable for this user" in second
    assert judge_state(StateReading(error=first), closed).level == FAIL


MOUNTS = r"""26 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw
27 26 179:1 / /boot/a\040b rw,relatime shared:2 - vfat /dev/mmcblk0p1 rw
28 26 8:1 / /data ro,noatime shared:3 - ext4 /dev/sda1 ro,errors=remount-ro
garbage
"""


def test_a_read_only_mount_fails() -> None:
    found = mounts.parse(MOUNTS)
    data, root = mounts.of(Path("/data/x"), found), mounts.of(STATE, found)
    assert judge_filesystem(data, None).level == FAIL
    assert "ext4 at /data is mounted read-only" in judge_filesystem(data, None).found
    assert judge_filesystem(root, 0).level == OK
    assert judge_filesystem(None, None).level == SKIPPED
    assert mounts.device_of(Path("/boot/a b/c"), found) == "/dev/mmcblk0p1"
    assert mounts.is_card("/dev/mmcblk0p1")
    assert not mounts.is_card("/dev/sda1")


def test_a_real_read_only_mount_fails(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, MB):
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        mount = mounts.of(disk.resolve(), mounts.read())
        assert mount is not None
        assert judge_filesystem(mount, None).level == FAIL
        assert "Read-only file system" in try_state(disk).error


def test_errors_that_ext4_has_counted_fail(tmp_path: Path) -> None:
    (tmp_path / "devices" / "mmcblk0p2").mkdir(parents=True)
    (tmp_path / "dev" / "block").mkdir(parents=True)
    (tmp_path / "dev" / "block" / "179:2").symlink_to("../../devices/mmcblk0p2")
    counted = tmp_path / "fs" / "ext4" / "mmcblk0p2"
    counted.mkdir(parents=True)
    (counted / "errors_count").write_text("3\n")
    root = Mount("/", "179:2", "ext4", "/dev/root", False)
    assert ext4_errors(root, tmp_path) == 3
    assert judge_filesystem(root, 3).level == FAIL
    assert ext4_errors(Mount("/", "0:1", "overlay", "overlay", False), tmp_path) is None


@pytest.mark.parametrize(
    ("life", "end", "level"),
    [
        ("0x01 0x01", "0x01", OK),
        ("0x02 0x09", "0x01", WARN),
        ("0x01 0x01", "0x02", WARN),
        ("0x0b 0x01", "0x01", FAIL),
        ("0x01 0x01", "0x03", FAIL),
    ],
)
def test_worn_emmc(tmp_path: Path, life: str, end: str, level: str) -> None:
    sysfs = copy_of("raspberry-pi-4", tmp_path) / "sys"
    device = sysfs / "block" / "mmcblk0" / "device"
    (device / "type").write_text("MMC\n")
    (device / "life_time").write_text(f"{life}\n")
    (device / "pre_eol_info").write_text(f"{end}\n")
    assert judge_flash(flash_modules(sysfs)).level == level


def test_an_sd_card_tells_nothing(tmp_path: Path) -> None:
    sysfs = copy_of("raspberry-pi-4", tmp_path) / "sys"
    finding = judge_flash(flash_modules(sysfs))
    assert finding.level == OK
    assert "tells nothing of its wear" in finding.found
    assert judge_flash(storage.flash_modules(tmp_path)).level == SKIPPED
