"""All probes of a node."""

from __future__ import annotations

from pathlib import Path
from typing import List

from edge_agent.probes.base import Probe
from edge_agent.probes.board import BoardProbe
from edge_agent.probes.disk import DiskProbe
from edge_agent.probes.ina3221 import Ina3221Probe
from edge_agent.probes.jetson import JetsonProbe
from edge_agent.probes.memory import MemoryProbe
from edge_agent.probes.network import NetworkProbe
from edge_agent.probes.nvidia import NvidiaProbe
from edge_agent.probes.processor import ProcessorProbe
from edge_agent.probes.rapl import RaplProbe
from edge_agent.probes.raspberry_pi import RaspberryPiProbe
from edge_agent.probes.temperature import TemperatureProbe


def hardware(folder: Path, interval_s: float = 1.0) -> List[Probe]:
    """Return the probes of this machine's hardware, those of absent hardware too.

    folder: on the disk whose room counts. interval_s: between two readings.
    """
    jetson = JetsonProbe()
    nvidia = NvidiaProbe(interval_s)
    if not jetson.absent:
        # JetPack 6 has an nvidia-smi that knows next to nothing of its GPU.
        nvidia.absent = "a Jetson's GPU is read by the probe 'jetson'"
    return [
        ProcessorProbe(),
        MemoryProbe(),
        DiskProbe(folder),
        NetworkProbe(),
        TemperatureProbe(),
        BoardProbe(),
        RaspberryPiProbe(),
        jetson,
        Ina3221Probe(),
        RaplProbe(),
        nvidia,
    ]
