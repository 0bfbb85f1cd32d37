from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.doctor import heat
from edge_agent.doctor.setup import Setup
from fedbed.link.health import FAIL, OK, SKIPPED, WARN
from tests.edge_agent.probes.handmade import copy_of


def levels(setup: Setup, board: Path) -> dict[str, str]:
    found = heat.GROUP.examine(replace(setup, sysfs=board / "sys", root=board))
    return {finding.check: finding.level for finding in found}


def pi(tmp_path: Path, bits: int, degrees: float = 45.0) -> Path:
    """A hand-made Raspberry Pi 4 with these flags and this temperature."""
    board = copy_of("raspberry-pi-4", tmp_path)
    (board / "sys/devices/platform/soc/soc:firmware/get_throttled").write_text(f"{bits:x}\n")
    for path in board.glob("sys/class/*/*/temp*"):
        if path.name in ("temp", "temp1_input"):
            path.write_text(f"{degrees * 1000:.0f}\n")
    return board


@pytest.mark.parametrize(
    ("bits", "degrees", "expected"),
    [
        (0x0, 45.0, (OK, OK, OK)),
        (0x0, 72.0, (WARN, OK, OK)),
        (0x0, 84.0, (FAIL, OK, OK)),
        (0x1, 45.0, (OK, FAIL, OK)),
        (0x10000, 45.0, (OK, WARN, OK)),
        (0x4, 45.0, (OK, OK, FAIL)),
        (0x2, 45.0, (OK, OK, FAIL)),
        (0x8, 45.0, (OK, OK, WARN)),
        (0x40000, 45.0, (OK, OK, WARN)),
    ],
)
def test_a_raspberry_pi(
    setup: Setup, tmp_path: Path, bits: int, degrees: float, expected: tuple[str, ...]
) -> None:
    found = levels(setup, pi(tmp_path, bits, degrees))
    assert tuple(found.values()) == expected
    assert list(found) == ["temperature", "undervoltage", "throttling"]


def test_other_machines_are_not_judged_by_what_they_lack(setup: Setup, tmp_path: Path) -> None:
    assert set(levels(setup, tmp_path).values()) == {SKIPPED}
