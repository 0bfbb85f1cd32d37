from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.doctor import machine
from edge_agent.doctor.machine import (
    MemoryReading,
    SwapArea,
    judge_libc,
    judge_memory,
    judge_name,
    judge_swap,
    judge_system,
    limit_left,
    swap_areas,
)
from edge_agent.doctor.setup import Setup
from fedbed.link.health import FAIL, OK, SKIPPED, WARN

MB = 1000 * 1000


def test_a_32_bit_userland_fails_under_a_64_bit_kernel_too() -> None:
    finding = judge_system("Linux", "aarch64", 32)
    assert finding.level == FAIL
    assert finding.found == "a 32-bit userland (Linux, kernel for aarch64)"
    assert judge_system("Linux", "aarch64", 64).level == OK
    assert judge_system("Darwin", "arm64", 64).level == WARN


@pytest.mark.parametrize(
    ("name", "version", "level"),
    [
        ("glibc", "2.27", WARN),
        ("glibc", "2.28", OK),
        ("glibc", "2.36", OK),
        ("", "", WARN),
    ],
)
def test_an_old_libc_warns(name: str, version: str, level: str) -> None:
    assert judge_libc(name, version).level == level


def test_memory_against_what_the_task_takes() -> None:
    assert judge_memory(MemoryReading(900 * MB, 0), 800 * MB).level == OK
    assert judge_memory(MemoryReading(700 * MB, 200 * MB), 800 * MB).level == WARN
    short = judge_memory(MemoryReading(500 * MB, 200 * MB), 800 * MB)
    assert short.level == FAIL
    assert short.found == "500.0 MB free; the task takes about 800.0 MB"
    assert judge_memory(MemoryReading(300 * MB, 0), 0).level == FAIL


def test_a_services_limit_counts_like_too_little_memory() -> None:
    finding = judge_memory(MemoryReading(4000 * MB, 4000 * MB, 500 * MB), 800 * MB)
    assert finding.level == FAIL
    assert "within this service's limit" in finding.found
    assert "MemoryMax" in finding.mend


def test_limits_of_both_versions_of_cgroups_are_read(tmp_path: Path) -> None:
    proc = tmp_path / "proc" / "self"
    proc.mkdir(parents=True)
    sysfs = tmp_path / "sys"
    (proc / "cgroup").write_text("0::/system.slice/fedbed-agent.service\n")
    assert limit_left(tmp_path, sysfs) is None
    unit = sysfs / "fs" / "cgroup" / "system.slice" / "fedbed-agent.service"
    unit.mkdir(parents=True)
    (unit / "memory.max").write_text("max\n")
    (unit / "memory.current").write_text(f"{100 * MB}\n")
    assert limit_left(tmp_path, sysfs) is None
    (unit / "memory.max").write_text(f"{600 * MB}\n")
    assert limit_left(tmp_path, sysfs) == 500 * MB
    # Version 1, in a container: the path is the host's.
    (proc / "cgroup").write_text("5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n")
    top = sysfs / "fs" / "cgroup" / "memory"
    top.mkdir()
    (top / "memory.usage_in_bytes").write_text(f"{100 * MB}\n")
    (top / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert limit_left(tmp_path, sysfs) is None
    (top / "memory.limit_in_bytes").write_text(f"{300 * MB}\n")
    assert limit_left(tmp_path, sysfs) == 200 * MB


def test_memory_of_a_node_that_trains_is_not_judged(setup: Setup) -> None:
    found = {f.check: f.level for f in machine.GROUP.examine(replace(setup, light=True))}
    assert found["memory"] == SKIPPED
    assert set(found) == {check.name for check in machine.GROUP.checks}


def test_swap() -> None:
    assert judge_swap([], 900 * MB).level == WARN
    assert judge_swap([], 8000 * MB).level == OK
    assert judge_swap([SwapArea("/dev/zram0", 400 * MB)], 900 * MB).level == OK
    card = judge_swap([SwapArea("/var/swap", 100 * MB, on_card=True)], 4000 * MB)
    assert card.level == WARN
    assert "/var/swap lies on the SD card" in card.found


def test_swap_on_a_card_is_found(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    head = "Filename\tType\tSize\tUsed\tPriority\n"
    (tmp_path / "swaps").write_text(
        f"{head}/var/swap file 102396 0 -2\n/dev/zram0 partition 1000 0 100\n"
    )
    root = "26 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw\n"
    (tmp_path / "self" / "mountinfo").write_text(root)
    assert [(a.name, a.on_card) for a in swap_areas(tmp_path)] == [
        ("/var/swap", True),
        ("/dev/zram0", False),
    ]
    assert swap_areas(tmp_path)[0].size == 102396 * 1024


def test_a_name_that_every_image_has_warns() -> None:
    assert judge_name("raspberrypi").level == WARN
    assert judge_name("pi-01").level == OK
