"""The coordinator as a real process."""

from __future__ import annotations

import contextlib
import datetime
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from coordinator.server import OWN_FILES, most_connections
from coordinator.settings import parse
from fedbed.authority import issue, make_ca
from fedbed.certificates import utc_now
from fedbed.errors import NameTaken, UsageError

LIMIT_S = 60.0
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def begin(
        *arguments: str, state: str = "state", files: int | None = None
    ) -> subprocess.Popen[str]:
        limit = [] if files is None else ["bash", "-c", f'ulimit -n {files}; exec "$@"', "bash"]
        process = subprocess.Popen(
            [
                *limit,
                *(sys.executable, "-m", "coordinator", "--state-dir", str(tmp_path / state)),
                *arguments,
            ],
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
    assert second.returncode == NameTaken.exit_code == 7
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
            parse(["--host", host, "--access", "open"])
        insecure = parse(["--host", host, "--insecure"])
        assert (insecure.host, insecure.access) == (host, "open")
        assert parse(["--host", host, "--insecure", "--access", "enrolled"]).access == "enrolled"
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        assert parse(["--host", host]).host == host
    for port in ("-1", "65536", "abc"):
        with pytest.raises(UsageError, match=f"--port: given '{port}', allowed: 0 to 65535"):
            parse([f"--port={port}"])


def test_addresses_that_others_reach_need_tls_or_a_word() -> None:
    with pytest.raises(UsageError, match=r"`fedbed ca make DIR` and give it with --tls DIR"):
        parse(["--host", "0.0.0.0"])
    assert parse(["--host", "0.0.0.0", "--tls", "ca"]).tls
    found = parse(["--host", "0.0.0.0", "--tls-cert", "c", "--tls-key", "k"])
    assert (found.tls, found.tls_cert, found.tls_key) == (True, Path("c"), Path("k"))
    assert not parse([]).tls
    for flags, why in (
        (["--tls", "ca", "--tls-cert", "c"], "--tls: not together with"),
        (["--tls-cert", "c"], "--tls-cert: needs --tls-key as well"),
        (["--tls-key", "k"], "--tls-key: needs --tls-cert as well"),
    ):
        with pytest.raises(UsageError, match=why):
            parse(flags)


def test_speaks_tls_with_a_certificate_made_at_the_start(start: Start, tmp_path: Path) -> None:
    ready, folder = tmp_path / "ready", tmp_path / "ca"
    make_ca(folder)
    process = start("--port", "0", "--ready-file", str(ready), "--tls", str(folder))
    url = address(process, ready)
    assert url.startswith("https://127.0.0.1:")
    trusting = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    with httpx.Client(verify=trusting) as client:
        assert client.get(f"{url}/api/v1/health").json()["product"] == "fedbed"
        other = url.replace("127.0.0.1", "localhost")
        assert client.get(f"{other}/api/v1/health").is_success
        refused = client.get(url.replace("https:", "http:"))
        assert refused.status_code == 400
        assert f"use {url}" in refused.json()["detail"]
        process.terminate()
        _, words = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    assert f"coordinator at {url}" in words
    assert "Traceback" not in words


def test_refuses_to_start_with_a_bad_certificate(start: Start, tmp_path: Path) -> None:
    make_ca(tmp_path / "ca")
    issue(tmp_path / "ca", ["pc"], days=10, now=utc_now() - datetime.timedelta(days=20))
    files = ("--tls-cert", str(tmp_path / "ca/server.pem"), "--tls-key")
    for flags, code, why in (
        ((*files, str(tmp_path / "ca/server.key")), 17, "has expired on"),
        ((*files, str(tmp_path / "ca/ca.key")), 17, "is not the key of the certificate"),
        ((*files, str(tmp_path / "nosuch")), 2, "can't be read"),
        (("--tls", str(tmp_path / "nosuch")), 2, "there is no CA in"),
    ):
        process = start("--port", "0", *flags)
        _, words = process.communicate(timeout=LIMIT_S)
        assert process.returncode == code
        assert why in words
        assert len(words.splitlines()) == 1


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


def test_connections_leave_files_for_results_and_database() -> None:
    most = most_connections(1024)
    assert most + most // 2 + OWN_FILES <= 1024
    assert most_connections(4096) > most
    assert most_connections(1) == 1
    assert most_connections(resource.RLIM_INFINITY) > 10**6


def test_too_low_a_limit_of_files_is_told_and_keeps_the_coordinator_alive(
    start: Start, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    process = start("--port", "0", "--ready-file", str(ready), files=128)
    host, port = address(process, ready).removeprefix("http://").split(":")
    sockets = [socket.create_connection((host, int(port))) for _ in range(120)]
    last = sockets[-1]
    last.settimeout(LIMIT_S)
    with contextlib.suppress(ConnectionResetError):
        assert last.recv(1) == b""
    for one in sockets:
        one.close()
    assert httpx.get(f"http://{host}:{port}/api/v1/health").json()["status"] == "ok"
    process.terminate()
    assert process.stderr is not None
    said = process.stderr.read()
    assert "the limit of open files lets about 21 nodes connect at a time" in said
    assert "42 connections are open, as many as the limit of open files allows" in said
