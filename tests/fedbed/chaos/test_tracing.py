"""With real processes and strace, where there is one."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedbed.chaos import tracing
from fedbed.chaos.tracing import Tracer, count
from fedbed.errors import FedbedError, RequirementMissing
from tests.parts import need

CODE = """
import os, sys
print("up", flush=True)
sys.stdin.readline()
for n in range(4):
    with open(f"{sys.argv[1]}/{n}.new", "w") as f:
        f.write("x")
        f.flush()
        os.fsync(f.fileno())
    os.rename(f"{sys.argv[1]}/{n}.new", f"{sys.argv[1]}/{n}")
print("done", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    need(not tracing.missing(), tracing.missing())
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdout.readline()
        yield process
        process.kill()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def test_a_process_dies_before_the_call_is_carried_out(
    writer: subprocess.Popen[str], tmp_path: Path
) -> None:
    tracer = Tracer(writer.pid, ["rename"], kill_at=2)
    assert not tracer.sprung(0)
    go(writer)
    assert tracer.sprung(10)
    assert writer.wait(5) == -signal.SIGKILL
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1.new"]
    assert tracer.close() == {"rename": 2}
    assert tracer.close() == {}


def test_calls_are_counted_and_the_process_goes_on(writer: subprocess.Popen[str]) -> None:
    tracer = Tracer(writer.pid, ["rename", "fsync"])
    go(writer)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "done\n"
    assert tracer.close() == {"rename": 4, "fsync": 4}
    assert writer.poll() is None


def test_what_can_not_be_traced_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    if not tracing.missing():
        with pytest.raises(FedbedError, match="strace can't attach to process 4999999"):
            Tracer(4999999, ["fsync"])
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RequirementMissing, match="needs strace"):
        Tracer(1, ["fsync"])


def test_the_most_of_any_thread_counts() -> None:
    log = "1  fsync(3) = 0\n2  fsync(4 <unfinished ...>\n2  <... fsync resumed>) = 0\n"
    assert count(log + "2  fsync(4) = ?\n2  +++ killed by SIGKILL +++\n") == {"fsync": 2}
