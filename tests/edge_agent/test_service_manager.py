"""The daemon under a service manager: a socket of sd_notify(3) that a test listens on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_agent.service_manager import ServiceManager
from fedbed.link.messages import unparse
from tests.edge_agent import work
from tests.edge_agent.peer import LIMIT_S, Peer, refusal

POLL = "POST /api/v1/nodes/n-1/work"
WATCHDOG_S = 2.0


class Manager:
    """What systemd is to a daemon: it hears, and starts it with the variables that it sets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self.heard: list[str] = []
        self.started: list[subprocess.Popen[bytes]] = []

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
        self._socket.close()

    def start(self, url: str, watchdog_s: float = WATCHDOG_S) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(self.path),
            "WATCHDOG_USEC": str(int(watchdog_s * 1e6)),
        }
        command = [sys.executable, "-m", "edge_agent", "--coordinator", url, "--name", "pi-1"]
        command += ["--config", os.devnull, "--state-dir", str(self.folder / "state")]
        with (self.folder / "log").open("ab") as log:
            self.started.append(subprocess.Popen(command, stderr=log, env=environment))
        return self.started[-1]

    def listen(self, limit_s: float) -> list[str]:
        """What comes next, as lines; nothing if nothing comes."""
        self._socket.settimeout(limit_s)
        try:
            lines = self._socket.recv(4096).decode().split("\n")
        except TimeoutError:
            return []
        self.heard += lines
        return lines

    def until(self, predicate: Callable[[], bool]) -> None:
        limit = time.monotonic() + LIMIT_S
        while not predicate():
            assert time.monotonic() < limit, self.heard
            self.listen(0.2)

    def status(self) -> str:
        found = [line for line in self.heard if line.startswith("STATUS=")]
        return found[-1] if found else ""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path)
    yield manager
    manager.close()


@pytest.mark.e2e
def test_it_is_ready_once_it_has_joined_and_says_that_it_stops(
    manager: Manager, peer: Peer
) -> None:
    agent = manager.start(peer.url)
    manager.until(lambda: "READY=1" in manager.heard)
    assert manager.heard[:2] == ["READY=1", f"STATUS=waits for work: 'pi-1' at {peer.url}"]
    agent.terminate()
    assert agent.wait(LIMIT_S) == 0
    manager.until(lambda: "STOPPING=1" in manager.heard)
    assert manager.heard.count("READY=1") == 1


@pytest.mark.e2e
def test_a_coordinator_that_is_away_does_not_fail_the_start(manager: Manager, peer: Peer) -> None:
    peer.stop()
    agent = manager.start(peer.url)
    manager.until(lambda: manager.heard.count("WATCHDOG=1") > 2)
    assert manager.heard[0] == "READY=1"
    assert manager.status().startswith("STATUS=waits for its coordinator: no answer from")
    back = Peer(port=peer.port)
    try:
        manager.until(lambda: manager.status().startswith("STATUS=waits for work"))
    finally:
        back.stop()
    assert agent.poll() is None


@pytest.mark.e2e
def test_who_is_not_admitted_never_was_ready(manager: Manager, peer: Peer) -> None:
    peer.instead["POST /api/v1/nodes"] = [refusal(401, "NotAdmitted", "e-1 is used up")]
    assert manager.start(peer.url).wait(LIMIT_S) == 14
    manager.until(lambda: "STOPPING=1" in manager.heard)
    assert manager.heard == ["STOPPING=1", "STATUS=e-1 is used up"]


@pytest.mark.e2e
def test_the_watchdog_is_fed_in_time_even_by_a_coordinator_that_never_answers(
    manager: Manager, peer: Peer
) -> None:
    manager.start(peer.url)
    manager.until(lambda: "READY=1" in manager.heard)
    # The first poll doesn't wait: it asks for the coordinator's time.
    peer.wait(lambda: len(peer.requests("POST", "/api/v1/nodes/n-1/work")) > 1)
    second = peer.requests("POST", "/api/v1/nodes/n-1/work")[1]
    assert second.json["wait_s"] == WATCHDOG_S / 4
    with peer.changed:
        peer.hold[POLL] = threading.Event()
    for _turn in range(4):
        assert "WATCHDOG=1" in manager.listen(WATCHDOG_S), manager.heard


@pytest.mark.e2e
def test_a_daemon_that_hangs_does_not_feed_it(manager: Manager, peer: Peer) -> None:
    agent = manager.start(peer.url)
    manager.until(lambda: "WATCHDOG=1" in manager.heard)
    agent.send_signal(signal.SIGSTOP)
    while manager.listen(0.1):
        pass
    assert manager.listen(WATCHDOG_S) == []


@pytest.mark.e2e
def test_it_tells_of_its_work_and_keeps_the_manager_from_the_worker(
    manager: Manager, peer: Peer
) -> None:
    agent = manager.start(peer.url)
    manager.until(lambda: "READY=1" in manager.heard)
    peer.tell(work=[unparse(work.long_item(peer.blob, "i1"))], run="r-1")
    manager.until(lambda: manager.status().startswith("STATUS=training, round 1 of run r-1: 'pi"))
    (worker,) = children(agent.pid)
    environment = Path(f"/proc/{worker}/environ").read_bytes()
    assert b"OMP_NUM_THREADS=" in environment
    for variable in (b"NOTIFY_SOCKET", b"WATCHDOG_USEC"):
        assert variable not in environment


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in found for child in path.read_text().split()]


def test_without_a_manager_nothing_is_opened() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    lonely = ServiceManager({"WATCHDOG_USEC": "1000000"}, 7)
    lonely.turned("works")
    lonely.stopping("ends")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert lonely.longest_turn_s == float("inf")


def test_a_watchdog_for_another_process_is_not_ours(manager: Manager) -> None:
    environment = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "1000000"}
    other = ServiceManager({**environment, "WATCHDOG_PID": "8"}, 7)
    other.turned("works")
    assert manager.listen(1.0) == ["READY=1", "STATUS=works"]
    ours = ServiceManager({**environment, "WATCHDOG_PID": "7"}, 7)
    assert ours.longest_turn_s == 0.5
    ours.turned("works\nREADY=0")
    assert manager.listen(1.0) == ["READY=1", r"STATUS=works\nREADY=0", "WATCHDOG=1"]
    ours.turned("works\nREADY=0")
    assert manager.listen(1.0) == ["WATCHDOG=1"]
    other.close()
    ours.close()


def test_an_abstract_address() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0fedbed-test-{os.getpid()}")
        listening.settimeout(1.0)
        speaking = ServiceManager({"NOTIFY_SOCKET": f"@fedbed-test-{os.getpid()}"}, 7)
        speaking.turned("works")
        assert listening.recv(100) == b"READY=1\nSTATUS=works"
        speaking.close()


def test_a_manager_that_is_gone_costs_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    speaking = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}, 7)
    for _turn in range(3):
        speaking.turned("works")
    assert caplog.text.count("the service manager can't be told (No such file or directory)") == 1
