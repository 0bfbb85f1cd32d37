"""A Jetson's GPU, memory load, power rails and power mode, with JetPack 4 and 6."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.probes.board import EVERY_S, BoardProbe
from edge_agent.probes.ina3221 import Ina3221Probe
from edge_agent.probes.jetson import JetsonProbe
from tests.edge_agent.probes.handmade import Seconds, copy_of, tree


@pytest.mark.parametrize(
    ("board", "wanted"),
    [
        ("jetson-nano", {"usage": 43.7, "frequency": 614.4e6, "memory_bandwidth": 3.0}),
        ("jetson-orin-nano", {"usage": 100.0, "frequency": 306e6, "memory_bandwidth": 10.0}),
    ],
)
def test_gpu_and_memory_load(board: str, wanted: dict[str, float]) -> None:
    (sample,) = JetsonProbe(tree(board) / "sys").read()
    assert sample.tags == {"gpu": "0"}
    assert sample.fields == pytest.approx(wanted)


def test_the_gpus_load_is_found_where_the_nano_has_it(tmp_path: Path) -> None:
    load = tmp_path / "devices/gpu.0/load"
    load.parent.mkdir(parents=True)
    load.write_text("250\n")
    (sample,) = JetsonProbe(tmp_path).read()
    assert sample.fields == {"usage": 25.0}


def test_who_may_not_read_debugfs_gets_the_rest(tmp_path: Path) -> None:
    root = copy_of("jetson-orin-nano", tmp_path)
    (root / "sys/kernel/debug/cactmon/mc_all").unlink()
    (sample,) = JetsonProbe(root / "sys").read()
    assert set(sample.fields) == {"usage", "frequency"}


def test_a_gpu_that_is_switched_off_tells_nothing(tmp_path: Path) -> None:
    root = copy_of("jetson-nano", tmp_path)
    probe = JetsonProbe(root / "sys")
    (root / "sys/class/devfreq/57000000.gpu/device/load").write_text("")
    (root / "sys/class/devfreq/57000000.gpu/cur_freq").write_text("")
    (root / "sys/kernel/actmon_avg_activity/mc_all").unlink()
    assert probe.read() == []


@pytest.mark.parametrize(
    ("board", "watts"),
    [
        ("jetson-nano", {"POM_5V_IN": 2.532, "POM_5V_GPU": 0.040, "POM_5V_CPU": 0.647}),
        ("jetson-orin-nano", {"VDD_IN": 5.032 * 0.888, "VDD_CPU_GPU_CV": 5.032 * 0.136}),
    ],
)
def test_power_of_each_rail_and_its_sum_over_time(board: str, watts: dict[str, float]) -> None:
    clock = Seconds()
    probe = Ina3221Probe(tree(board) / "sys", clock)
    for seconds in (0.0, 1.0, 3.0):
        clock.now = 100.0 + seconds
        samples = probe.read()
        assert {s.tags["method"] for s in samples} == {"measured"}
        assert {s.tags["rail"]: s.fields["power"] for s in samples} == pytest.approx(watts)
        joules = {rail: power * seconds for rail, power in watts.items()}
        assert {s.tags["rail"]: s.fields["energy"] for s in samples} == pytest.approx(joules)


def test_energy_over_a_gap_is_not_made_up() -> None:
    clock = Seconds()
    probe = Ina3221Probe(tree("jetson-nano") / "sys", clock)
    probe.read()
    clock.now += 3600.0
    assert probe.read()[0].fields["energy"] == pytest.approx(2.532 * 10.0)


def test_a_rail_that_can_not_be_read_costs_the_others_nothing(tmp_path: Path) -> None:
    root = copy_of("jetson-orin-nano", tmp_path)
    probe = Ina3221Probe(root / "sys")
    (root / "sys/class/hwmon/hwmon3/curr1_input").unlink()
    assert [s.tags["rail"] for s in probe.read()] == ["VDD_CPU_GPU_CV"]


@pytest.mark.parametrize(
    ("board", "wanted"),
    [
        ("jetson-nano", {"model": "NVIDIA Jetson Nano Developer Kit", "power_mode": "5W"}),
        ("jetson-orin-nano", {"model": "NVIDIA Jetson Orin Nano Developer Kit", "power_mode": "2"}),
        ("raspberry-pi-4", {"model": "Raspberry Pi 4 Model B Rev 1.4"}),
    ],
)
def test_board_and_power_mode(board: str, wanted: dict[str, str]) -> None:
    (sample,) = BoardProbe(tree(board) / "sys", tree(board)).read()
    assert sample.fields == wanted


def test_the_board_is_told_at_each_change_and_every_minute(tmp_path: Path) -> None:
    root, clock = copy_of("jetson-nano", tmp_path), Seconds()
    probe = BoardProbe(root / "sys", root, clock)
    assert len(probe.read()) == 1
    clock.now += 1.0
    assert probe.read() == []
    (root / "var/lib/nvpmodel/status").write_text("pmode:0000\n")
    (sample,) = probe.read()
    assert sample.fields["power_mode"] == "MAXN"
    assert probe.read() == []
    clock.now += EVERY_S
    assert len(probe.read()) == 1
