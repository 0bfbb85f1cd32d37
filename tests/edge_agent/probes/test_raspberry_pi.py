"""What the Pi's firmware says of voltage and heat, by its driver's file or by vcgencmd."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edge_agent.probes import raspberry_pi
from edge_agent.probes.raspberry_pi import COMMAND_EVERY_S, RaspberryPiProbe
from tests.edge_agent.probes.handmade import Seconds, copy_of, tree, wrong

WITHOUT = tree("raspberry-pi-without-driver") / "sys"


def flags(probe: RaspberryPiProbe) -> set[str]:
    (sample,) = probe.read()
    assert wrong([sample]) == []
    assert len(sample.fields) == 8
    return {name for name, is_set in sample.fields.items() if is_set}


def test_voltage_is_low_and_the_clock_throttled() -> None:
    assert flags(RaspberryPiProbe(tree("raspberry-pi-4") / "sys")) == {
        "undervoltage",
        "throttled",
        "undervoltage_since_boot",
        "throttled_since_boot",
    }


def test_a_pi_5_has_its_address_in_the_path() -> None:
    assert flags(RaspberryPiProbe(tree("raspberry-pi-5") / "sys")) == {
        "soft_limit",
        "soft_limit_since_boot",
        "throttled_since_boot",
        "capped_since_boot",
    }


def test_what_the_firmware_was_made_to_forget_is_remembered(tmp_path: Path) -> None:
    root = copy_of("raspberry-pi-4", tmp_path)
    file = root / "sys/devices/platform/soc/soc:firmware/get_throttled"
    probe = RaspberryPiProbe(root / "sys")
    for bits in ("50005", "2", "0"):
        file.write_text(f"{bits}\n")
        seen = flags(probe)
    assert seen == {"undervoltage_since_boot", "throttled_since_boot", "capped_since_boot"}


def fake_vcgencmd(folder: Path, body: str) -> str:
    """A fake of the firmware's tool, which also counts its calls."""
    folder.mkdir(exist_ok=True)
    program = folder / "vcgencmd"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n{body}\n')
    program.chmod(0o755)
    return str(folder)


def test_without_the_driver_vcgencmd_is_asked_now_and_then(tmp_path: Path) -> None:
    path, clock = fake_vcgencmd(tmp_path / "bin", "echo throttled=0x50000"), Seconds()
    probe = RaspberryPiProbe(WITHOUT, path, clock)
    assert probe.is_slow
    assert not probe.absent
    assert flags(probe) == {"undervoltage_since_boot", "throttled_since_boot"}
    for _ in range(5):
        clock.now += COMMAND_EVERY_S / 10
        assert probe.read() == []
    clock.now += COMMAND_EVERY_S
    assert flags(probe) == {"undervoltage_since_boot", "throttled_since_boot"}
    assert (tmp_path / "bin" / "calls").read_text() == "get_throttled\n" * 2


@pytest.mark.parametrize("body", ["echo VCHI initialization failed; exit 255", "echo huh"])
def test_a_vcgencmd_that_may_not_is_a_failure_in_its_words(tmp_path: Path, body: str) -> None:
    probe = RaspberryPiProbe(WITHOUT, fake_vcgencmd(tmp_path / "bin", body))
    with pytest.raises(ValueError, match=r"vcgencmd says '(VCHI initialization failed|huh)'"):
        probe.read()


def test_a_vcgencmd_that_hangs_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raspberry_pi, "COMMAND_LIMIT_S", 0.2)
    probe = RaspberryPiProbe(WITHOUT, fake_vcgencmd(tmp_path / "bin", "exec sleep 60"))
    with pytest.raises(subprocess.TimeoutExpired):
        probe.read()


def test_a_pi_with_neither_says_what_is_missing(tmp_path: Path) -> None:
    assert "there is no vcgencmd" in RaspberryPiProbe(WITHOUT, str(tmp_path)).absent
