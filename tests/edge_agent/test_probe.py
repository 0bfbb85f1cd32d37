"""`python -m edge_agent.probe`, as Telegraf's execd input starts it."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_agent.probes.node import hardware
from fedbed.telemetry.definition import MEASUREMENTS, NODE
from tests.edge_agent.probes.handmade import BOARDS, tree
from tests.influx import BUCKET, ORG, TOKEN, influx
from tests.parts import need

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60.0
PROBE = "edge_agent.probe"
LINE = re.compile(r"(fedbed_[a-z]+),node=pi-1(?:,[a-z]+=\S+)? (\S+=\S+) (\d{19})")
Start = Callable[..., "subprocess.Popen[str]"]


def ran(*flags: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", PROBE, *flags],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        cwd=ROOT,
        check=False,
    )


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start(*flags: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", PROBE, "--node", "pi-1", *flags]
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def measurements(lines: list[str]) -> list[str]:
    found = [LINE.fullmatch(line) for line in lines]
    assert None not in found, lines
    return [match[1] for match in found if match is not None]


def test_one_sample_of_this_machine_is_line_protocol() -> None:
    before = time.time_ns()
    done = ran("--format", "influx", "--node", "pi-1", "--once", "--interval", "0.3")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert {"fedbed_cpu", "fedbed_memory", "fedbed_disk", "fedbed_network"} <= set(
        measurements(lines)
    )
    assert "usage=" in next(line for line in lines if line.startswith("fedbed_cpu"))
    for line in lines:
        assert before <= int(line.split()[-1]) <= time.time_ns()


def test_a_database_takes_what_it_prints(tmp_path: Path) -> None:
    done = ran("--node", "pi-1", "--once", "--interval", "0.3")
    with influx(tmp_path) as database:
        request = urllib.request.Request(
            f"{database.url}/api/v2/write?org={ORG}&bucket={BUCKET}&precision=ns",
            done.stdout.encode(),
            {"Authorization": f"Token {TOKEN}"},
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            assert reply.status == 204
        (row,) = database.query("SELECT usage, cores FROM fedbed_cpu WHERE node = 'pi-1'")
        assert row["cores"] == os.cpu_count()
        assert 0 <= row["usage"] <= 100


def test_it_sets_its_own_pace_until_its_input_ends(start: Start) -> None:
    process = start("--interval", "0.2")
    assert process.stdin is not None
    assert process.stdout is not None
    seen: list[str] = []
    while seen.count("fedbed_cpu") < 3:
        seen += measurements([process.stdout.readline().rstrip("\n")])
    process.stdin.close()
    assert process.wait(LIMIT_S) == 0


def test_who_asks_sets_the_pace(start: Start) -> None:
    process = start("--interval", "30")
    assert process.stdin is not None
    assert process.stdout is not None
    for _ in range(3):
        process.stdin.write("\n")
        process.stdin.flush()
        # One write for a sample: what is there after its first line is all of it.
        assert select.select([process.stdout], [], [], LIMIT_S)[0]
        sample = os.read(process.stdout.fileno(), 65536).decode().splitlines()
        assert measurements(sample).count("fedbed_cpu") == 1
    assert not select.select([process.stdout], [], [], 0.5)[0]
    process.stdin.close()
    assert process.wait(LIMIT_S) == 0


def test_without_any_input_it_goes_on(tmp_path: Path) -> None:
    command = f"exec {sys.executable} -m {PROBE} --node pi-1 --interval 0.1 <&-"
    with subprocess.Popen(
        ["sh", "-c", command], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        seen: list[str] = []
        while seen.count("fedbed_cpu") < 2:
            seen += measurements([process.stdout.readline().rstrip("\n")])
        process.kill()


def test_nobody_who_listens_is_no_error(start: Start) -> None:
    process = start("--interval", "0.1")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(LIMIT_S) == 0
    assert process.stderr.read() == ""


def test_the_list_says_what_is_present_and_why_others_are_not() -> None:
    done = ran("--list")
    assert done.returncode == 0
    listed = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert listed["processor"] == listed["memory"] == listed["disk"] == "present"
    assert len(listed) == 11
    assert all(listed.values())


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--interval", "0"), "given '0', allowed: seconds from 0.1 to 3600"),
        (("--interval", "nan"), "given 'nan', allowed: seconds from 0.1 to 3600"),
        (("--interval", "often"), "given 'often', allowed: seconds from 0.1 to 3600"),
        (("--format", "json"), "unknown --format 'json'"),
        (("--forma", "influx"), "did you mean '--format'"),
    ],
)
def test_wrong_flags_are_one_line(flags: tuple[str, str], why: str) -> None:
    done = ran(*flags)
    assert done.returncode != 0
    assert done.stdout == ""
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


HANGS = """
import sys, threading
from edge_agent import lanes, probe
from edge_agent.probes.disk import DiskProbe
lanes.LIMIT_S = 0.3
DiskProbe.read = lambda self: threading.Event().wait()
sys.exit(probe.run(["--once", "--node", "pi-1", "--interval", "0.2"]))
"""


def test_a_disk_that_hangs_costs_its_own_measurement_only() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGS],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        cwd=ROOT,
        check=True,
    )
    found = measurements(done.stdout.splitlines())
    assert "fedbed_disk" not in found
    assert {"fedbed_cpu", "fedbed_memory", "fedbed_network"} <= set(found)


ON_BOARDS = """
import os, sys
from pathlib import Path
from edge_agent.probes import (
    agent, board, ina3221, jetson, rapl, raspberry_pi, temperature, worker,
)
from fedbed.telemetry.definition import faults
probes = [agent.AgentProbe(int, float), worker.WorkerProbe(lambda: [("run-1", os.getpid())])]
for root in map(Path, sys.argv[1:]):
    sysfs = root / "sys"
    probes += [board.BoardProbe(sysfs, root), ina3221.Ina3221Probe(sysfs), rapl.RaplProbe(sysfs)]
    probes += [jetson.JetsonProbe(sysfs), temperature.TemperatureProbe(sysfs)]
    probes += [raspberry_pi.RaspberryPiProbe(sysfs, "")]
for probe in probes:
    for sample in [] if probe.absent else probe.read():
        assert not faults(sample.measurement, sample.tags, sample.fields), sample
        print(sample.measurement)
"""


def test_it_runs_on_python_38(tmp_path: Path) -> None:
    old = os.environ.get("FEDBED_PYTHON38", "")
    need(bool(old), "FEDBED_PYTHON38 names no interpreter of Python 3.8")
    venv = tmp_path / "venv"
    subprocess.run([old, "-m", "venv", str(venv)], check=True)
    python = str(venv / "bin" / "python")
    install = [python, "-m", "pip", "install", "-q", "--no-compile", "psutil>=5.9"]
    subprocess.run(install, check=True)
    done = ran("--node", "pi-1", "--once", "--interval", "0.3", python=python)
    assert (done.returncode, done.stderr) == (0, "")
    assert "fedbed_network" in measurements(done.stdout.splitlines())
    boards = [tree(board) for board in BOARDS]
    done = subprocess.run(
        [python, "-c", ON_BOARDS, *map(str, boards)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        cwd=ROOT,
        check=True,
    )
    assert set(done.stdout.split()) == {
        "fedbed_board",
        "fedbed_gpu",
        "fedbed_power",
        "fedbed_temperature",
        "fedbed_throttling",
        "fedbed_agent",
        "fedbed_worker",
    }


def test_the_page_on_probes_names_every_one_and_what_it_writes() -> None:
    page = (ROOT / "docs" / "probes.md").read_text()
    rows = {row.split("|")[1].strip(): row for row in page.splitlines() if row.startswith("| `")}
    names = {probe.name for probe in hardware(Path("/"))} | {"worker", "agent"}
    assert set(rows) == {f"`{name}`" for name in names}
    written = set(re.findall(r"`(fedbed_[a-z]+)`", "".join(rows.values())))
    # A node's state is no probe's.
    assert written == {m.name for m in MEASUREMENTS if m.source == NODE} - {"fedbed_state"}
