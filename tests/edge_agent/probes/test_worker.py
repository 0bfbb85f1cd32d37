"""The tree of processes that trains for a run: real processes, and hand-made stat files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_agent.probes.worker import LOOK_EVERY_S, REMEMBERED, WorkerProbe
from tests.edge_agent.probes.handmade import Seconds, wrong

LIMIT_S = 30.0
BUSY = """
import subprocess, sys, threading, time
children = [subprocess.Popen([sys.executable, "-S", "-c", code]) for code in sys.argv[1:]]
ballast = b"x" * (20 << 20)
thread = threading.Thread(target=time.sleep, args=(600,), daemon=True)
thread.start()
print("ready", flush=True)
time.sleep(600)
"""
BURN = "while True: pass"
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*children: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-S", "-c", BUSY, *children]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_worker_with_its_children(start: Start) -> None:
    worker = start(BURN, "import time; time.sleep(600)")
    probe = WorkerProbe(lambda: [("run-1", worker.pid)])
    (first,) = probe.read()
    assert "cpu" not in first.fields
    spent = first.fields["cpu_time"]
    assert isinstance(spent, float)
    until = time.monotonic() + LIMIT_S
    while True:
        time.sleep(0.2)
        (sample,) = probe.read()
        assert wrong([sample]) == []
        cpu_time, cpu, memory = (sample.fields[k] for k in ("cpu_time", "cpu", "memory"))
        assert isinstance(cpu_time, float)
        assert isinstance(cpu, float)
        assert isinstance(memory, int)
        if cpu_time > spent + 0.1 and cpu > 0:
            break
        assert time.monotonic() < until
    assert sample.tags == {"run": "run-1"}
    assert sample.fields["processes"] == 3
    assert sample.fields["threads"] == 4
    assert memory > 20 << 20


def test_a_run_without_a_worker_has_no_sample(start: Start) -> None:
    worker = start()
    workers = [("run-1", worker.pid)]
    probe = WorkerProbe(lambda: workers)
    assert len(probe.read()) == 1
    os.kill(worker.pid, signal.SIGKILL)
    os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
    assert probe.read() == []  # dead, and not reaped yet
    workers.clear()
    assert probe.read() == []


class Proc:
    """A procfs made by hand, and its clock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "self").mkdir(parents=True)
        self.tick = 1.0 / os.sysconf("SC_CLK_TCK")
        self.clock = Seconds()
        self.workers = [("run-1", 50)]
        self.probe = WorkerProbe(lambda: self.workers, root, self.clock)

    def put(
        self, pid: int, parent: int, session: int, ticks: int, reaped: int = 0, started: int = 7
    ) -> None:
        (self.root / str(pid)).mkdir(exist_ok=True)
        head = f"{pid} (a (b) c d) R {parent} {session} {session} 0 -1 4194560 10 0 0 0"
        rest = f"{ticks} 0 {reaped} 0 20 0 3 0 {started} 1000000 25 18446744073709551615"
        (self.root / str(pid) / "stat").write_text(f"{head} {rest} 0 0\n")

    def gone(self, pid: int) -> None:
        (self.root / str(pid) / "stat").unlink()
        (self.root / str(pid)).rmdir()

    def read(self, after_s: float = 1.0) -> dict[str, object]:
        self.clock.now += after_s
        (sample,) = self.probe.read()
        return dict(sample.fields)

    def ticks(self, fields: dict[str, object]) -> float:
        seconds = fields["cpu_time"]
        assert isinstance(seconds, float)
        return round(seconds / self.tick)


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    proc = Proc(tmp_path / "proc")
    proc.put(1, 0, 1, 1000)
    proc.put(50, 1, 50, 100)
    return proc


def test_strangers_do_not_count(proc: Proc) -> None:
    proc.put(60, 1, 60, 5000)
    assert proc.read()["processes"] == 1
    assert proc.ticks(proc.read()) == 100


def test_children_count_that_left_the_session_and_that_lost_their_parent(proc: Proc) -> None:
    proc.put(51, 50, 51, 10)
    proc.put(52, 51, 51, 20)
    proc.put(53, 1, 50, 40)
    fields = proc.read()
    assert fields["processes"] == 4
    assert fields["threads"] == 12
    assert fields["memory"] == 4 * 25 * os.sysconf("SC_PAGE_SIZE")
    assert proc.ticks(fields) == 170


def test_a_child_is_found_within_some_seconds(proc: Proc) -> None:
    assert proc.read()["processes"] == 1
    proc.put(51, 50, 50, 10)
    assert proc.read(LOOK_EVERY_S)["processes"] == 2


def test_time_of_a_child_that_ends_goes_to_its_parent(proc: Proc) -> None:
    proc.put(51, 50, 50, 30)
    assert proc.ticks(proc.read()) == 130
    proc.gone(51)
    proc.put(50, 1, 50, 100, reaped=30)
    fields = proc.read()
    assert proc.ticks(fields) == 130
    assert fields["processes"] == 1


def test_the_counter_does_not_fall_when_an_orphan_ends(proc: Proc) -> None:
    proc.put(51, 1, 50, 30)
    assert proc.ticks(proc.read()) == 130
    proc.gone(51)
    fields = proc.read()
    assert proc.ticks(fields) == 130
    assert fields["cpu"] == 0.0


def test_another_process_with_a_childs_number_does_not_count(proc: Proc) -> None:
    proc.put(51, 50, 50, 30)
    proc.read()
    proc.put(51, 1, 51, 9000, started=99)
    fields = proc.read()
    assert fields["processes"] == 1
    assert proc.ticks(fields) == 130


def test_a_worker_that_was_started_anew_goes_on_counting(proc: Proc) -> None:
    assert proc.ticks(proc.read()) == 100
    proc.gone(50)
    proc.workers.clear()
    assert proc.probe.read() == []
    proc.put(70, 1, 70, 5)
    proc.workers[:] = [("run-1", 70)]
    fields = proc.read(2.0)
    assert proc.ticks(fields) == 105
    assert fields["cpu"] == pytest.approx(100 * 5 * proc.tick / 2.0)


def test_runs_of_long_ago_are_forgotten(proc: Proc) -> None:
    for number in range(100):
        proc.workers[:] = [(f"run-{number}", 50)]
        proc.read()
    assert len(proc.probe._runs) <= REMEMBERED + 1


def test_runs_are_kept_apart(proc: Proc) -> None:
    proc.put(80, 1, 80, 7)
    proc.workers.append(("run-2", 80))
    samples = {s.tags["run"]: s.fields["cpu_time"] for s in proc.probe.read()}
    assert samples == pytest.approx({"run-1": 100 * proc.tick, "run-2": 7 * proc.tick})
