"""Processor, memory, disk and network: of a hand-made Pi, and of this machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from edge_agent.probes.agent import AgentProbe
from edge_agent.probes.disk import DiskProbe
from edge_agent.probes.memory import MemoryProbe
from edge_agent.probes.network import NetworkProbe
from edge_agent.probes.processor import ProcessorProbe
from tests.edge_agent.probes.handmade import copy_of, tree

PI = tree("raspberry-pi-4")


def burn(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_the_processors_share_is_of_the_time_since_the_reading_before() -> None:
    probe = ProcessorProbe()
    burn(0.3)
    (sample,) = probe.read()
    usage = sample.fields["usage"]
    assert isinstance(usage, float)
    assert 0.0 < usage <= 100.0
    assert sample.fields["cores"] == os.cpu_count()
    assert sample.fields["load1"] == pytest.approx(os.getloadavg()[0], abs=1.0)


def test_the_clock_that_the_firmware_has_capped_counts_where_it_is_told() -> None:
    (sample,) = ProcessorProbe(PI / "sys").read()
    assert sample.fields["frequency"] == 1.0e9


def test_else_the_clock_of_the_fastest_core_that_was_asked_for() -> None:
    (sample,) = ProcessorProbe(tree("pc") / "sys").read()
    assert sample.fields["frequency"] == 3.9e9


def test_memory() -> None:
    (sample,) = MemoryProbe(PI / "proc").read()
    assert sample.fields == {
        "total": 3884372 * 1024,
        "available": 2913279 * 1024,
        "used": pytest.approx(25.0, abs=0.01),
        "swap_total": 102396 * 1024,
        "swap_used": 25856 * 1024,
    }


def test_memory_of_this_machine() -> None:
    (sample,) = MemoryProbe().read()
    assert sample.fields["total"] == psutil.virtual_memory().total
    assert sample.fields["swap_total"] == psutil.swap_memory().total


def test_only_hardware_disks_count_and_each_once(tmp_path: Path) -> None:
    (sample,) = DiskProbe(tmp_path, PI / "sys", PI / "proc").read()
    assert sample.fields["read"] == (2100000 + 4000) * 512
    assert sample.fields["written"] == (1500000 + 6000) * 512
    disk = psutil.disk_usage(str(tmp_path))
    assert sample.fields["total"] == disk.total
    assert sample.fields["used"] == pytest.approx(disk.percent, abs=1.0)


def test_where_no_disk_is_in_sight_there_is_still_room(tmp_path: Path) -> None:
    (sample,) = DiskProbe(tmp_path, tmp_path, tmp_path).read()
    assert set(sample.fields) == {"total", "free", "used"}


def test_a_folder_that_is_gone_is_a_failure(tmp_path: Path) -> None:
    probe = DiskProbe(tmp_path / "gone")
    with pytest.raises(FileNotFoundError):
        probe.read()


def test_network_cards_count_and_not_what_lies_on_top_of_them() -> None:
    (sample,) = NetworkProbe(PI / "sys", PI / "proc").read()
    assert sample.fields == {"received": 3000000, "sent": 1200000, "errors": 10}


def test_in_a_container_all_but_the_loopback_count(tmp_path: Path) -> None:
    (sample,) = NetworkProbe(tmp_path, PI / "proc").read()
    assert sample.fields == {"received": 3800000, "sent": 2100000, "errors": 19}


def test_a_card_that_is_plugged_in_later_counts(tmp_path: Path) -> None:
    root = copy_of("raspberry-pi-4", tmp_path)
    probe = NetworkProbe(root / "sys", root / "proc")
    probe.read()
    table = root / "proc" / "net" / "dev"
    table.write_text(table.read_text() + "  usb0: 5 0 0 0 0 0 0 0 7 0 0 0 0 0 0 0\n")
    (root / "sys/class/net/usb0/device").mkdir(parents=True)
    (sample,) = probe.read()
    assert sample.fields == {"received": 3000005, "sent": 1200007, "errors": 10}


def test_the_agent_measures_itself() -> None:
    ahead: list[float | None] = [None, 3600.5]
    probe = AgentProbe(lambda: 4, lambda: ahead.pop(0), lambda: (7, 8))
    burn(0.1)
    (first,) = probe.read()
    cpu, memory = first.fields["cpu"], first.fields["memory"]
    assert isinstance(cpu, float)
    assert isinstance(memory, int)
    assert cpu > 0.0
    assert memory == pytest.approx(psutil.Process().memory_info().rss, rel=0.5)
    assert (first.fields["waiting"], first.fields["dropped"]) == (7, 8)
    assert first.fields["failures"] == 4
    assert "clock_offset" not in first.fields
    (second,) = probe.read()
    assert second.fields["clock_offset"] == 3600.5
