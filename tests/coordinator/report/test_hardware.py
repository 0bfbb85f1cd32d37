"""The section on hardware: figures where there are some, reasons where there are none."""

from __future__ import annotations

from typing import Any

from coordinator.report import hardware, render
from tests.coordinator.report.test_page import read

PROBED = {
    "name": "pi-01",
    "cpu_s": 75.25,
    "peak_memory_bytes": 61_000_000,
    "bytes_up": 4_100_000,
    "bytes_down": 5_200_000,
    "cpu": 81.25,
    "samples": 600,
    "temperature": 71.5,
    "throttling": {"samples": 600, "slowed": 60, "undervoltage": 0},
    "energy": {
        "measured": {"joules": 4100.0, "of": ["plug"], "rails": {"plug": 4100.0, "VDD_IN": 3900.0}},
        "modelled": {"joules": 2500.0, "of": ["package-0"], "rails": {"package-0": 2500.0}},
    },
}
PLAIN = {"name": "pi-02", "cpu_s": 70, "peak_memory_bytes": 0, "bytes_up": 1, "bytes_down": 2}
AGENTS: list[dict[str, Any]] = [
    {"name": "pi-01", "agent": {"rss_bytes": 26_000_000, "cpu_s": 1.0, "uptime_s": 400.0}},
    {"name": "pi-02", "agent": {"rss_bytes": 25_000_000, "cpu_s": 1.0, "uptime_s": 200.0}},
]


def result(*nodes: dict[str, Any], why: str = "") -> dict[str, Any]:
    return {"hardware": {"nodes": list(nodes), "without_samples": why}, "nodes": AGENTS}


def test_every_figure_is_shown_and_methods_of_energy_stay_apart() -> None:
    page = read(render(result(PROBED, PLAIN)))
    assert {"75.25", "61000000", "4100000", "5200000", "81.25", "71.5", "4100.0", "2500.0"} <= set(
        page.values
    )
    for words in (
        "energy, measured",
        "energy, modelled",
        "4.1\u202fkJ",
        "2.5\u202fkJ",
        "10\u202f%",
    ):
        assert words in page.text
    assert "6.6" not in page.text, "measured and modelled are never added up"
    assert "measured: VDD_IN 3.9\u202fkJ, plug 4.1\u202fkJ; counted: plug" in page.text
    assert "The database has no samples of pi-02" in page.text
    assert "No energy is known of pi-02" in page.text


def test_without_samples_it_says_why_and_has_no_empty_columns() -> None:
    built = hardware.build(result(PLAIN, why="no InfluxDB is configured at the coordinator"))
    assert built.heads == ["node", "CPU time", "sent", "received"]
    assert any("no InfluxDB is configured" in note for note in built.notes)
    assert not any("no samples of" in note for note in built.notes)


def test_rails_that_can_not_be_added_up_are_listed() -> None:
    rails: dict[str, Any] = {"joules": None, "of": [], "rails": {"one": 5, "two": 6}}
    built = hardware.build(result({**PLAIN, "energy": {"measured": rails}}))
    assert "energy, measured" not in built.heads
    assert any("not added up, for they may overlap" in note for note in built.notes)


def test_the_cost_of_monitoring_is_a_line_where_agents_told_of_it() -> None:
    line = hardware.build(result(PLAIN)).monitoring
    assert line.startswith("Cost of monitoring: ")
    assert "0.50\u202f% of a core and 26.0 MB of memory at most" in line
    assert hardware.build({"nodes": AGENTS}).monitoring == line
    assert hardware.build({"nodes": [{"name": "a"}]}).monitoring == ""


def test_what_sampling_took_is_told_apart_from_all_that_an_agent_does() -> None:
    agent = {**AGENTS[0]["agent"], "monitoring_cpu_s": 0.6}
    line = hardware.build({"nodes": [{"name": "pi-01", "agent": agent}, AGENTS[1]]}).monitoring
    assert "sampling and telling the broker took 0.15\u202f% of a core; an agent" in line
    assert "took 0.50\u202f% of a core and 26.0 MB of memory at most" in line


def test_results_of_before_and_odd_ones_have_no_section() -> None:
    nothing: list[dict[str, Any]] = [{}, {"hardware": None}, {"hardware": {"nodes": "x"}}]
    for each in nothing:
        assert hardware.build(each).lines == []
    odd = result({"name": "a", "energy": {"measured": 5}, "throttling": {"samples": "x"}})
    assert "Hardware" in read(render(odd)).text
    assert "Hardware" not in read(render({})).text
