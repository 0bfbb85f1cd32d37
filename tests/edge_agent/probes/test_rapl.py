"""Energy counters: what is counted, and what happens when one begins anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.probes.rapl import RaplProbe
from tests.edge_agent.probes.handmade import Seconds, copy_of

RANGE = 262_143_328_850


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copy_of("pc", tmp_path) / "sys/class/powercap"


def counter(root: Path, domain: str, microjoules: int) -> None:
    (root / domain / "energy_uj").write_text(f"{microjoules}\n")


def test_parts_of_a_package_and_its_mirror_are_left_out(root: Path) -> None:
    probe = RaplProbe(root.parents[1])
    samples = probe.read()
    assert [s.tags["rail"] for s in samples] == ["package-0", "package-0 dram", "psys"]
    assert {s.tags["method"] for s in samples} == {"measured"}
    assert [s.fields for s in samples] == [{"energy": 0.0}] * 3


def test_power_is_the_mean_since_the_reading_before(root: Path) -> None:
    clock = Seconds()
    probe = RaplProbe(root.parents[1], clock)
    probe.read()
    clock.now += 2.0
    counter(root, "intel-rapl:0", 262_100_000_000 + 30_000_000)
    package, dram, _ = probe.read()
    assert package.fields == pytest.approx({"energy": 30.0, "power": 15.0})
    assert dram.fields == {"energy": 0.0, "power": 0.0}


def test_a_counter_that_begins_anew_goes_on(root: Path) -> None:
    clock = Seconds()
    probe = RaplProbe(root.parents[1], clock)
    probe.read()
    joules = 0.0
    for microjoules, more in ((RANGE, 43.32885), (10_000_000, 10.0), (25_000_000, 15.0)):
        clock.now += 1.0
        joules += more
        counter(root, "intel-rapl:0", microjoules)
        package = probe.read()[0]
        assert package.fields == pytest.approx({"energy": joules, "power": more})


def test_a_reading_that_fails_leaves_its_energy_to_the_next(root: Path) -> None:
    clock = Seconds()
    probe = RaplProbe(root.parents[1], clock)
    probe.read()
    clock.now += 1.0
    (root / "intel-rapl:0/energy_uj").unlink()
    assert [s.tags["rail"] for s in probe.read()] == ["package-0 dram", "psys"]
    clock.now += 1.0
    counter(root, "intel-rapl:0", 262_100_000_000 + 8_000_000)
    assert probe.read()[0].fields == pytest.approx({"energy": 8.0, "power": 4.0})


def test_counters_that_only_root_may_read_are_said_to_be_such(root: Path) -> None:
    for file in root.glob("*/energy_uj"):
        file.unlink()
    assert "only be read by root" in RaplProbe(root.parents[1]).absent
