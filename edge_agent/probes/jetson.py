"""The GPU of an NVIDIA Jetson and its memory's load, without jtop's daemon or tegrastats.

GPU: devfreq, https://docs.kernel.org/driver-api/devfreq.html, and the file `load` of NVIDIA's nvgpu
driver beside it, in thousandths. Memory controller (EMC): the activity monitor (Tegra X1 Technical
Reference Manual, "ACTMON"), whose average `mc_all` counts thousand cycles a second, over the
controller's clock. Before JetPack 5 anybody may read the average; the clock and newer kernels'
average lie in debugfs, which only root may read.

Temperatures and power rails have probes of their own, which need no Jetson.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterable, List, Optional

from edge_agent.probes import files
from edge_agent.probes.base import Probe
from fedbed.telemetry.point import Sample

_GPU = re.compile(r"\d+\.(gpu|gm20b|gp10b|gv11b|ga10b|gb10b)|gpu\.0")
_ACTIVITY = (
    "kernel/actmon_avg_activity/mc_all",
    "kernel/debug/cactmon/mc_all",
    "kernel/debug/bpmp/debug/actmon/mc_all_avg_activity",
)
_EMC_CLOCK = (
    "kernel/debug/bpmp/debug/clk/emc/rate",
    "kernel/debug/clk/emc/clk_rate",
    "kernel/debug/clk/override.emc/clk_rate",
    "class/devfreq/bwmgr/cur_freq",
)


class JetsonProbe(Probe):
    """fedbed_gpu of a Jetson."""

    name = "jetson"

    def __init__(self, sysfs: Path = Path("/sys")) -> None:
        devices = [d for d in sorted(sysfs.glob("class/devfreq/*")) if _GPU.fullmatch(d.name)]
        self._clock = _first(device / "cur_freq" for device in devices)
        self._load = _first(
            [device / "device" / "load" for device in devices] + [sysfs / "devices/gpu.0/load"]
        )
        self._activity = _first(sysfs / path for path in _ACTIVITY)
        self._emc_clock = _first(sysfs / path for path in _EMC_CLOCK)
        if self._load is None:
            self.absent = "no Tegra GPU in devfreq"

    def read(self) -> List[Sample]:
        """Return the GPU's load and clock, and the share of memory cycles in use."""
        sample = Sample("fedbed_gpu", {}, {"gpu": "0"})
        thousandths = files.number(self._load) if self._load else None
        if thousandths is not None:
            sample.fields["usage"] = thousandths / 10
        hertz = files.number(self._clock) if self._clock else None
        if hertz is not None:
            sample.fields["frequency"] = float(hertz)
        bandwidth = self._bandwidth()
        if bandwidth is not None:
            sample.fields["memory_bandwidth"] = bandwidth
        return [sample] if sample.fields else []

    def _bandwidth(self) -> Optional[float]:
        if self._activity is None or self._emc_clock is None:
            return None
        kilohertz, hertz = files.number(self._activity), files.number(self._emc_clock)
        if kilohertz is None or not hertz:
            return None
        return min(100.0, 100.0 * kilohertz * 1000 / hertz)


def _first(paths: Iterable[Path]) -> Optional[Path]:
    return next((path for path in paths if files.number(path) is not None), None)
