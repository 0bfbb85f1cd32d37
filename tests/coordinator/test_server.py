"""The coordinator as a real process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from coordinator.settings import parse
from fedbed.errors import UsageError

LIMIT_S = 60.0
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, state: str = "state") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "coordinator", "--state-dir", str(tmp_path / state), *arguments],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def address(process: subprocess.Popen[str], ready: Path) -> str:
    """Wait for the ready file."""
    end = time.monotonic() + LIMIT_S
    while not ready.exists():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.02)
    return ready.read_text()


def test_serves_until_sigterm_and_answers_open_polls(start: Start, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    process = start("--port", "0", "--ready-file", str(ready))
    url = address(process, ready)
    assert httpx.get(f"{url}/api/v1/health").json()["product"] == "fedbed"
    second = start("--port", "0")
    _, words = second.communicate(timeout=LIMIT_S)
    assert second.returncode == 1
    assert "another coordinator already uses the state folder" in words
    port = url.rsplit(":", 1)[1]
    third = start("--port", port, state="other")
    _, words = third.communicate(timeout=LIMIT_S)
    assert third.returncode == 6
    assert words.splitlines()[-1].startswith(
        f"fedbed coordinator: port {port} on 127.0.0.1 is in use"
    )
    assert "Traceback" not in words
    with socket.create_connection(("127.0.0.1", int(port))) as watcher:
        watcher.sendall(b"GET /api/v1/live?after=1&wait=25 HTTP/1.1\r\nHost: x\r\n\r\n")
        httpx.get(f"{url}/api/v1/health")
        process.send_signal(signal.SIGTERM)
        watcher.settimeout(LIMIT_S)
        assert watcher.recv(15) == b"HTTP/1.1 200 OK"
        _, words = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    assert "Traceback" not in words


def test_stops_with_its_parent(start: Start, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    process = start("--port", "0", "--ready-file", str(ready), "--stop-with-parent")
    address(process, ready)
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None
    assert process.wait(LIMIT_S) == 0


def test_a_store_that_cannot_be_opened_is_a_failure(start: Start, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "fedbed.sqlite").write_bytes(b"no database" * 1000)
    process = start("--port", "0")
    _, words = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    assert words.splitlines()[-1].startswith("fedbed coordinator: the coordinator could not start")


def test_addresses_that_others_reach_need_a_word(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        with pytest.raises(UsageError, match="--insecure"):
            parse(["--host", host])
        assert parse(["--host", host, "--insecure"]).host == host
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        assert parse(["--host", host]).host == host
    for port in ("-1", "65536"):
        with pytest.raises(UsageError, match="--port"):
            parse(["--port", port])


def test_a_foreign_address_is_explained(start: Start) -> None:
    process = start("--port", "0", "--host", "192.0.2.1", "--insecure")
    _, words = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 2
    assert "can't listen on 192.0.2.1:0" in words


def test_a_state_folder_that_cannot_be_made_is_explained(start: Start, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    process = start("--port", "0")
    _, words = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    assert "give another with --state-dir" in words
    assert os.linesep.join(words.splitlines()[:1]).count("Traceback") == 0
