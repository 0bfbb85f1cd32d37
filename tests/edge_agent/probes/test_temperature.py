"""Which sensors are read, by which names, and which not."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.probes.temperature import SENSORS, TemperatureProbe
from tests.edge_agent.probes.handmade import copy_of, tree


def shown(root: Path) -> dict[str, object]:
    return {s.tags["sensor"]: s.fields["value"] for s in TemperatureProbe(root / "sys").read()}


@pytest.mark.parametrize(
    ("board", "wanted"),
    [
        ("raspberry-pi-4", {"cpu_thermal": 61.335}),
        ("raspberry-pi-5", {"cpu_thermal": 80.1, "rp1_adc": 52.341}),
        (
            "jetson-nano",
            {
                "AO-therm": 43.5,
                "CPU-therm": 36.5,
                "GPU-therm": 35.0,
                "PLL-therm": 34.5,
                "thermal-fan-est": 35.75,
            },
        ),
        (
            "jetson-orin-nano",
            {
                "cpu-thermal": 48.062,
                "gpu-thermal": 44.531,
                "soc0-thermal": 45.718,
                "tj-thermal": 48.062,
            },
        ),
        (
            "pc",
            {
                "nvme Composite": 38.85,
                "nvme Sensor 1": 41.85,
                "coretemp Package id 0": 53.0,
                "acpitz": 27.8,
                "acpitz 2": 29.8,
                "x86_pkg_temp": 52.0,
            },
        ),
    ],
)
def test_each_sensor_counts_once(board: str, wanted: dict[str, float]) -> None:
    assert shown(tree(board)) == wanted


def test_a_sensor_that_sleeps_is_left_out_until_it_wakes(tmp_path: Path) -> None:
    root = copy_of("jetson-orin-nano", tmp_path)
    probe = TemperatureProbe(root / "sys")
    temp = root / "sys/class/thermal/thermal_zone1/temp"
    for asleep in ("", "-256000\n", "no number\n"):
        temp.write_text(asleep)
        assert "gpu-thermal" not in {s.tags["sensor"] for s in probe.read()}
    temp.unlink()
    assert "gpu-thermal" not in {s.tags["sensor"] for s in probe.read()}
    temp.write_text("50000\n")
    assert "gpu-thermal" in {s.tags["sensor"] for s in probe.read()}


def test_of_a_hundred_sensors_the_first_are_read(tmp_path: Path) -> None:
    for number in range(100):
        zone = tmp_path / f"sys/class/thermal/thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "type").write_text("many\n")
        (zone / "temp").write_text("40000\n")
    assert len(shown(tmp_path)) == SENSORS
