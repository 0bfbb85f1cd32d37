"""The processes that train: a run's worker child and all that it has started.

/proc/PID/stat, proc(5): a single small file tells times, threads and memory of a process. A worker
leads a session of its own (setsid(2)), by which its children are known even when their parent has
died. Finding them takes a look at every process of the node: it is done every few seconds, and
nobody is looked at twice who turned out to be a stranger.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, List, Optional, Set, Tuple

from edge_agent.probes import files
from edge_agent.probes.base import Probe
from fedbed.telemetry.point import Sample

LOOK_EVERY_S = 5.0
REMEMBERED = 4
"""Runs without a worker whose processor time is remembered."""
_ZOMBIE = "Z"


@dataclass(frozen=True)
class _Process:
    """What the kernel says of a process. ticks: processor time, with that of children reaped."""

    pid: int
    state: str
    parent: int
    session: int
    ticks: int
    threads: int
    started: int
    pages: int


@dataclass
class _Run:
    """What is remembered of a run's worker between two readings. root: its process."""

    root: _Process
    looked_at: float = float("-inf")
    members: Dict[int, int] = field(default_factory=dict)
    """Process id -> when it started, which tells it from a later one with the same id."""
    strangers: Set[int] = field(default_factory=set)
    seconds_before: float = 0.0
    """Of the run's workers before this one."""
    seconds: float = 0.0
    read_at: float = 0.0


class WorkerProbe(Probe):
    """fedbed_worker. workers: the run and the process id of each worker child that there is.

    Memory is the sum of resident memories: what processes share counts for each. Of processes that
    live for less than the time between two looks, only what their parent has reaped counts.
    """

    name = "worker"

    def __init__(
        self,
        workers: Callable[[], List[Tuple[str, int]]],
        proc: Path = Path("/proc"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers = workers
        self._proc = proc
        self._clock = clock
        self._runs: Dict[str, _Run] = {}
        self._tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
        self._page = os.sysconf("SC_PAGE_SIZE")
        if not (proc / "self").exists():
            self.absent = f"there is no {proc}"

    def read(self) -> List[Sample]:
        """Return a sample for each run that has a worker."""
        workers = dict(self._workers())
        # Kept for a while without a worker: one that has died is about to be started anew.
        for run in [run for run in self._runs if run not in workers][:-REMEMBERED]:
            del self._runs[run]
        samples = [self._of(run, pid) for run, pid in workers.items()]
        return [sample for sample in samples if sample is not None]

    def _of(self, name: str, pid: int) -> Optional[Sample]:
        root = self._process(pid)
        if root is None or root.state == _ZOMBIE:
            return None
        now = self._clock()
        run = self._run(name, root)
        if now - run.looked_at >= LOOK_EVERY_S:
            self._look(run)
            run.looked_at = now
        found = [root] + [p for p in map(self._process, run.members) if p is not None]
        tree = [p for p in found if p is root or run.members[p.pid] == p.started]
        # Time of an orphan goes to init when it ends; a counter doesn't fall.
        seconds = max(run.seconds, run.seconds_before + sum(p.ticks for p in tree) * self._tick_s)
        sample = Sample(
            "fedbed_worker",
            {
                "cpu_time": seconds,
                "memory": sum(p.pages for p in tree) * self._page,
                "processes": len(tree),
                "threads": sum(p.threads for p in tree),
            },
            {"run": name},
        )
        if run.read_at and now > run.read_at:
            sample.fields["cpu"] = 100.0 * (seconds - run.seconds) / (now - run.read_at)
        run.seconds, run.read_at = seconds, now
        return sample

    def _run(self, name: str, root: _Process) -> _Run:
        """Return what is remembered of a run; a worker that was started anew goes on counting."""
        run = self._runs.get(name)
        if run is None:
            run = self._runs[name] = _Run(root)
        elif (run.root.pid, run.root.started) != (root.pid, root.started):
            run = _Run(root, seconds_before=run.seconds, seconds=run.seconds, read_at=run.read_at)
            self._runs[name] = run
        return run

    def _look(self, run: _Run) -> None:
        """Find a worker's children, and theirs, among the processes that aren't known yet."""
        listed = {int(one.name) for one in self._proc.iterdir() if one.name.isdigit()}
        run.strangers &= listed
        looked_at = map(self._process, listed - run.strangers - {run.root.pid})
        candidates = {p.pid: p for p in looked_at if p is not None}
        tree: Dict[int, int] = {}
        while True:
            parents = {run.root.pid, *tree}
            more = [
                p
                for p in candidates.values()
                if p.pid not in tree and (p.session == run.root.pid or p.parent in parents)
            ]
            if not more:
                break
            tree.update((p.pid, p.started) for p in more)
        run.members = tree
        run.strangers.update(pid for pid in candidates if pid not in tree)

    def _process(self, pid: int) -> Optional[_Process]:
        try:
            text = files.text(self._proc / str(pid) / "stat")
        except OSError:
            return None
        # The name stands in brackets and may hold any, spaces included.
        columns = text.rpartition(")")[2].split()
        return _Process(
            pid=pid,
            state=columns[0],
            parent=int(columns[1]),
            session=int(columns[3]),
            ticks=sum(map(int, columns[11:15])),
            threads=int(columns[17]),
            started=int(columns[19]),
            pages=int(columns[21]),
        )
