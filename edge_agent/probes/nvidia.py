"""NVIDIA's graphics cards, by nvidia-smi.

https://docs.nvidia.com/deploy/nvidia-smi/, `--query-gpu` (its fields: --help-query-gpu), `--format`
and `--loop-ms`. One nvidia-smi is kept running and writes a line for each card at each turn:
starting one anew for each sample would load the driver's library each time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from typing import Callable, Dict, List, Optional

from edge_agent.probes.base import Probe
from edge_agent.probes.energy import EnergyMeter
from fedbed.telemetry.point import Sample, Value

_MEBI = 1024 * 1024
QUERY = (
    "index",
    "utilization.gpu",
    "utilization.memory",
    "memory.used",
    "memory.total",
    "clocks.sm",
    "temperature.gpu",
    "power.draw",
)
SILENCE_S = 10.0
"""After so long without a line nvidia-smi is taken for hung, and started anew."""
PATIENCE_S = 60.0
"""For its first line: it may have to wake the driver and each of many cards."""
AGAIN_S = 30.0


class NvidiaProbe(Probe):
    """fedbed_gpu, fedbed_temperature and fedbed_power of each card; energy is summed up."""

    name = "nvidia"

    def __init__(
        self,
        interval_s: float = 1.0,
        path: Optional[str] = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._interval_ms = round(interval_s * 1000)
        self._child: Optional[subprocess.Popen[bytes]] = None
        self._start_at = clock()
        self._heard_at = clock()
        self._has_answered = False
        self._rest = b""
        self._complaint = ""
        """What it has said first that is no card's line."""
        self._meters: Dict[str, EnergyMeter] = {}
        self._program = shutil.which("nvidia-smi", path=path)
        if self._program is None:
            self.absent = "there is no nvidia-smi"

    def read(self) -> List[Sample]:
        """Return what nvidia-smi has written last of each card since the reading before."""
        if self._child is None:
            if self._clock() >= self._start_at:
                self._start()
            return []
        lines = self._lines(self._child)
        if lines:
            self._heard_at, self._has_answered = self._clock(), True
        elif self._child.poll() is not None:
            self._gone(self._child.returncode)
        elif self._clock() - self._heard_at > SILENCE_S:
            self.close()
            raise TimeoutError(f"nvidia-smi has said nothing for {SILENCE_S:.0f} s or more")
        latest = {line.partition(",")[0]: line for line in lines}
        return [sample for line in latest.values() for sample in self._samples(line)]

    def close(self) -> None:
        """End nvidia-smi; the next reading but a few starts another."""
        child, self._child = self._child, None
        self._start_at = self._clock() + AGAIN_S
        self._rest = b""
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            child.wait()
            assert child.stdout is not None
            child.stdout.close()

    def _start(self) -> None:
        command = [
            str(self._program),
            f"--query-gpu={','.join(QUERY)}",
            "--format=csv,noheader,nounits",
            f"--loop-ms={self._interval_ms}",
        ]
        self._heard_at = self._clock() + PATIENCE_S - SILENCE_S
        self._child = subprocess.Popen(  # nosec B603 # the driver's own tool
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._child.stdout is not None
        os.set_blocking(self._child.stdout.fileno(), False)

    def _lines(self, child: subprocess.Popen[bytes]) -> List[str]:
        """Return the complete lines that have come of cards; what else is said is kept."""
        assert child.stdout is not None
        with contextlib.suppress(BlockingIOError):
            while True:
                data = os.read(child.stdout.fileno(), 65536)
                if not data:
                    break
                self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        cards = []
        for line in lines:
            text = line.decode(errors="replace").strip()
            if _is_card(text):
                cards.append(text)
            elif not self._complaint:
                self._complaint = text[:200]
        return cards

    def _gone(self, code: int) -> None:
        self.close()
        ended = f"nvidia-smi ended with exit code {code}"
        if self._has_answered:
            raise ChildProcessError(ended)
        # No card, or no driver: asking again would be no use.
        self.absent = f"{ended}: {self._complaint}" if self._complaint else ended

    def _samples(self, line: str) -> List[Sample]:
        card, *columns = [column.strip() for column in line.split(",")]
        read = dict(zip(QUERY[1:], map(_number, columns)))
        fields: Dict[str, Value] = {}
        for name, key, factor in (
            ("usage", "utilization.gpu", 1.0),
            ("memory_bandwidth", "utilization.memory", 1.0),
            ("frequency", "clocks.sm", 1e6),
        ):
            value = read.get(key)
            if value is not None:
                fields[name] = value * factor
        for name in ("used", "total"):
            mebibytes = read.get(f"memory.{name}")
            if mebibytes is not None:
                fields[f"memory_{name}"] = round(mebibytes * _MEBI)
        samples = [Sample("fedbed_gpu", fields, {"gpu": card})] if fields else []
        celsius, watts = read.get("temperature.gpu"), read.get("power.draw")
        if celsius is not None:
            tags = {"sensor": f"gpu-{card}"}
            samples.append(Sample("fedbed_temperature", {"value": celsius}, tags))
        if watts is not None:
            meter = self._meters.setdefault(card, EnergyMeter(self._clock))
            tags = {"rail": f"gpu-{card}", "method": "measured"}
            samples.append(Sample("fedbed_power", meter.fields(watts), tags))
        return samples


def _is_card(line: str) -> bool:
    return line.partition(",")[0].isdigit() and line.count(",") == len(QUERY) - 1


def _number(column: str) -> Optional[float]:
    """Return a column's number; None for what a card doesn't tell: [N/A], [Not Supported]."""
    try:
        return float(column)
    except ValueError:
        return None
