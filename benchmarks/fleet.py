"""A thousand nodes: joins, rounds and memory of coordinator and run, over real sockets.

The nodes are stubs (`benchmarks.stubs`), two connections each, because one machine can't hold a
thousand Pythons; coordinator, run and app are what they always are. Stubs, coordinator and the
run's process share the machine's cores, so beside wall times stand the coordinator's CPU times.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks import memory, stubs
from benchmarks.clock import durations, read_clock
from benchmarks.rows import Row
from fedbed import bundle
from fedbed.client import Client
from fedbed.errors import RunFailed
from fedbed.testbed import LocalTestbed

APP = Path(__file__).parent / "apps" / "echo"
SMALL = "100000-bytes"
WATCH_S = 0.25


@dataclass(frozen=True)
class Figures:
    """Of one fleet and one run: seconds, MB, and CPU seconds of the processes during the run.

    round_s: median of all rounds but the first. answers: how many of those asked came in time.
    """

    nodes: int
    rounds: int
    joins_s: float
    first_s: float
    round_s: float
    coordinator_cpu_s: float
    stubs_cpu_s: float
    run_cpu_s: float
    coordinator_mb: float
    run_mb: float
    answers: int

    @property
    def round_ms_per_node(self) -> float:
        """Wall time of a round for each node."""
        return 1000 * self.round_s / self.nodes

    @property
    def cpu_ms_per_node(self) -> float:
        """The coordinator's CPU time for each node and round."""
        return 1000 * self.coordinator_cpu_s / self.nodes / self.rounds

    @property
    def note(self) -> str:
        """Whose time it was, and whether everybody was counted."""
        missing = self.nodes * self.rounds - self.answers
        return (
            f"CPU per round: coordinator {self.coordinator_cpu_s / self.rounds:.2f} s, stubs "
            f"{self.stubs_cpu_s / self.rounds:.2f} s, run {self.run_cpu_s / self.rounds:.2f} s"
        ) + (f"; {missing} answers were missing" if missing else "")


def measure(quick: bool) -> list[Row]:
    """Fleets of 100, 300 and 1,000 with 100 kB, and 4 beside 64 nodes with 44.7 MB."""
    sizes, rounds = ((100, 300), 4) if quick else ((100, 300, 1000), 6)
    fleets = [run_fleet(nodes, SMALL, rounds) for nodes in sizes]
    few, most = fleets[0], fleets[-1]
    whole = most.nodes == 1000
    nodes = f"{most.nodes:,} nodes"
    rows = [
        Row(f"{nodes} join, until all are ready", most.joins_s, "s", 15 if whole else None),
        Row(f"round, {nodes}, 100 kB", most.round_s, "s", 5 if whole else None, note=most.note),
        Row(
            f"coordinator's peak memory, {nodes}",
            most.coordinator_mb,
            "MB",
            400 if whole else None,
            note=f"run's process {most.run_mb:.0f} MB",
        ),
    ]
    rows += [
        Row(
            f"round per node, {fleet.nodes:,} nodes",
            fleet.round_ms_per_node,
            "ms",
            note=f"coordinator's CPU {fleet.cpu_ms_per_node:.2f} ms",
        )
        for fleet in fleets
    ]
    rows.append(
        Row(
            f"round per node, {most.nodes:,} nodes by {few.nodes}",
            most.round_ms_per_node / few.round_ms_per_node,
            "x",
            1.2,
            note=f"coordinator's CPU: {most.cpu_ms_per_node / few.cpu_ms_per_node:.2f} times",
        )
    )
    return rows + _memory(quick)


def _memory(quick: bool) -> list[Row]:
    """Peak memory of the run's process, few nodes beside many."""
    model, size = ("10000000-bytes", "10 MB") if quick else ("resnet18", "44.7 MB")
    few, many = (run_fleet(nodes, model, 2) for nodes in ((4, 32) if quick else (4, 64)))
    return [
        Row(
            f"run's peak memory, {size}, {few.nodes} -> {many.nodes} nodes: growth",
            100 * (many.run_mb / few.run_mb - 1),
            "%",
            10,
            note=f"{few.run_mb:.0f} -> {many.run_mb:.0f} MB; coordinator {few.coordinator_mb:.0f} "
            f"-> {many.coordinator_mb:.0f} MB",
        )
    ]


def run_fleet(nodes: int, model: str, rounds: int) -> Figures:
    """Join `nodes` stubs to a fresh coordinator and run the echo app on them.

    Raises RunFailed if the run fails.
    """
    with LocalTestbed(nodes=0) as testbed, Client(testbed.url) as client:
        coordinator = psutil.Process(testbed.process("coordinator").pid)
        with stubs.running(testbed.url, nodes, testbed.state_dir / "stubs.log") as fleet:
            joins_s = _await_ready(client, nodes) - fleet.began
            clock = testbed.state_dir / "clock.json"
            processes = [coordinator, psutil.Process(fleet.pid)]
            before = [memory.cpu_s([process]) for process in processes]
            run_id = client.submit_app(
                bundle.pack(APP),
                name="echo",
                serverapp="echo.server_app:app",
                clientapp="echo.client_app:app",
                run_config={
                    "framework": "numpy",
                    "model": model,
                    "rounds": rounds,
                    "clock": str(clock),
                },
                nodes=nodes,
            )
            run, run_mb, run_cpu_s = _follow(client, run_id, coordinator)
            spent = [
                memory.cpu_s([process]) - start
                for process, start in zip(processes, before, strict=True)
            ]
            if run["state"] != "finished":
                raise RunFailed(f"{nodes} nodes: {run['error']}")
            took = durations(read_clock(clock))
            return Figures(
                nodes=nodes,
                rounds=rounds,
                joins_s=joins_s,
                first_s=took[0],
                round_s=median(took[1:]),
                coordinator_cpu_s=spent[0],
                stubs_cpu_s=spent[1],
                run_cpu_s=run_cpu_s,
                coordinator_mb=_peak_mb(coordinator),
                run_mb=run_mb,
                answers=sum(int(entry["participants"]) for entry in run["history"]),
            )


def _await_ready(client: Client, nodes: int) -> float:
    """Return the monotonic second in which a watcher sees that all nodes are ready."""
    version = 0
    while True:
        picture = client.live(version, 5.0)
        version = int(picture["version"])
        if sum(node["state"] == "ready" for node in picture["nodes"]) >= nodes:
            return time.monotonic()


def _follow(
    client: Client, run_id: str, coordinator: psutil.Process
) -> tuple[dict[str, Any], float, float]:
    """Watch a run to its end; returns it with peak memory and CPU seconds of its process."""
    peak_mb, cpu_s, version = 0.0, 0.0, 0
    while True:
        picture = client.live(version, WATCH_S)
        version = int(picture["version"])
        run: dict[str, Any] = next(run for run in picture["runs"] if run["id"] == run_id)
        if run["state"] not in ("queued", "running"):
            return run, peak_mb, cpu_s
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in coordinator.children():
                peak_mb = max(peak_mb, _peak_mb(process))
                cpu_s = memory.cpu_s([process])


def _peak_mb(process: psutil.Process) -> float:
    """Most that a process has ever had in memory; what it has now where the system doesn't tell."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        lines = []
    peak = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)
    return process.memory_info().rss / memory.MB if peak is None else peak * 1024 / memory.MB
