from __future__ import annotations

import os
import platform
import sys
import threading
import time
from importlib import metadata
from pathlib import Path

import pytest

from edge_agent import profile
from fedbed.errors import RequirementMissing
from fedbed.link.health import CHECKUP
from fedbed.link.messages import ADVERSARY, CLIPPING, IMAGE_SIZE, STRAGGLER


def test_profile_of_this_machine() -> None:
    found = profile.profile(sys.executable)
    assert found.python == platform.python_version()
    assert found.cpus == os.cpu_count()
    assert found.memory_bytes > 1 << 20
    assert found.packages["numpy"] == metadata.version("numpy")
    assert found.packages["pillow"] == metadata.version("pillow")
    assert found.abilities == [ADVERSARY, CHECKUP, CLIPPING, IMAGE_SIZE, STRAGGLER]


def test_an_interpreter_that_does_not_exist() -> None:
    with pytest.raises(RequirementMissing, match="--worker-python: '/no/python' doesn't run as"):
        profile.profile("/no/python")


@pytest.mark.parametrize("body", ["exit 3", "echo hello"])
def test_a_program_that_is_no_interpreter(tmp_path: Path, body: str) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    with pytest.raises(RequirementMissing) as caught:
        profile.profile(str(program))
    assert "\n" not in str(caught.value)
    assert "metadata" not in str(caught.value)


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        ({}, ["zlib"]),
        ({"zstandard": "0.21.0"}, ["zlib"]),
        ({"zstandard": "0.22.0"}, ["zstd", "zlib"]),
        ({"zstandard": "1.0"}, ["zstd", "zlib"]),
        ({"zstandard": "odd"}, ["zlib"]),
    ],
)
def test_compressors(packages: dict[str, str], expected: list[str]) -> None:
    assert profile.compressors(packages) == expected


def test_cost_is_of_this_process() -> None:
    first, second = profile.cost(), profile.cost()
    assert first.rss_bytes > 1 << 20
    assert 0 < first.cpu_s <= second.cpu_s
    assert 0 <= first.uptime_s <= second.uptime_s


@pytest.mark.parametrize(("name", "counts"), [("sampler", True), ("another", False)])
def test_what_threads_that_watch_take_is_told_apart(name: str, counts: bool) -> None:
    done, go = threading.Event(), threading.Event()

    def work() -> None:
        while time.thread_time() < 0.1:
            pass
        done.set()
        go.wait(20)

    thread = threading.Thread(target=work, name=name)
    thread.start()
    assert done.wait(20)
    assert (profile.cost().monitoring_cpu_s >= 0.05) is counts
    go.set()
    thread.join()
