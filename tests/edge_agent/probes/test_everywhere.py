"""What must hold of every probe on every board, and of this very machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.probes.agent import AgentProbe
from edge_agent.probes.base import Probe
from edge_agent.probes.board import BoardProbe
from edge_agent.probes.disk import DiskProbe
from edge_agent.probes.ina3221 import Ina3221Probe
from edge_agent.probes.jetson import JetsonProbe
from edge_agent.probes.memory import MemoryProbe
from edge_agent.probes.network import NetworkProbe
from edge_agent.probes.node import hardware
from edge_agent.probes.nvidia import NvidiaProbe
from edge_agent.probes.processor import ProcessorProbe
from edge_agent.probes.rapl import RaplProbe
from edge_agent.probes.raspberry_pi import RaspberryPiProbe
from edge_agent.probes.temperature import TemperatureProbe
from edge_agent.probes.worker import WorkerProbe
from tests.edge_agent.probes.handmade import BOARDS, tree, wrong


def probes_of(root: Path) -> list[Probe]:
    sysfs, proc, path = root / "sys", root / "proc", str(root / "bin")
    return [
        ProcessorProbe(sysfs),
        MemoryProbe(proc),
        DiskProbe(Path("/"), sysfs, proc),
        NetworkProbe(sysfs, proc),
        TemperatureProbe(sysfs),
        BoardProbe(sysfs, root),
        RaspberryPiProbe(sysfs, path),
        JetsonProbe(sysfs),
        Ina3221Probe(sysfs),
        RaplProbe(sysfs),
        NvidiaProbe(1.0, path),
        WorkerProbe(list, proc),
        AgentProbe(lambda: 3, lambda: 0.5, lambda: (1, 2)),
    ]


@pytest.mark.parametrize("board", BOARDS)
def test_all_samples_are_as_defined(board: str) -> None:
    for _ in range(2):
        samples = [s for p in probes_of(tree(board)) if not p.absent for s in p.read()]
        assert wrong(samples) == []


PRESENT = {
    "raspberry-pi-4": {"memory", "network", "temperature", "board", "raspberry-pi"},
    "raspberry-pi-5": {"temperature", "board", "raspberry-pi"},
    "raspberry-pi-without-driver": {"board"},
    "jetson-nano": {"temperature", "board", "jetson", "ina3221"},
    "jetson-orin-nano": {"temperature", "board", "jetson", "ina3221"},
    "pc": {"temperature", "rapl"},
}


@pytest.mark.parametrize("board", BOARDS)
def test_what_is_absent_says_so_at_once(board: str) -> None:
    probes = probes_of(tree(board))
    always = {"processor", "disk", "agent"}
    assert {probe.name for probe in probes if not probe.absent} == PRESENT[board] | always
    assert all("\n" not in probe.absent for probe in probes)


def test_where_there_is_nothing_only_what_needs_nothing_is_present(tmp_path: Path) -> None:
    present = [probe for probe in probes_of(tmp_path) if not probe.absent]
    assert [probe.name for probe in present] == ["processor", "disk", "agent"]
    assert wrong(sample for probe in present for sample in probe.read()) == []


def test_this_machine(tmp_path: Path) -> None:
    probes = hardware(tmp_path)
    assert len({probe.name for probe in probes}) == len(probes)
    present = {probe.name: probe for probe in probes if not probe.absent}
    assert {"processor", "memory", "disk", "network"} <= set(present)
    assert wrong(s for probe in present.values() for s in probe.read()) == []
    for probe in probes:
        probe.close()
