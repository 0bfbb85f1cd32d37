"""What a cut of the power, or a full disk, may leave in the state folder: the next start copes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_agent.blobs import BlobCache
from edge_agent.identity import Identity
from edge_agent.spool import Spool
from fedbed.link.messages import unparse
from tests.edge_agent import work
from tests.edge_agent.peer import LIMIT_S, Peer, refusal
from tests.parts import fill, small_disk

pytestmark = pytest.mark.e2e
Start = Callable[[], subprocess.Popen[bytes]]
JOIN = "/api/v1/nodes"
MIB = 1024 * 1024


@pytest.fixture
def start(peer: Peer, tmp_path: Path) -> Iterator[Start]:
    agents: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "edge_agent", "--config", os.devnull, "--name", "pi-1"]
        command += ["--coordinator", peer.url, "--state-dir", str(tmp_path / "state")]
        with (tmp_path / "log").open("ab") as log:
            agents.append(subprocess.Popen(command, stderr=log))
        return agents[-1]

    yield start
    for agent in agents:
        if agent.poll() is None:
            agent.kill()
        agent.wait()


def keys(peer: Peer) -> list[str]:
    return [str(s.json["key"]) for s in peer.requests("POST") if s.path == JOIN]


def earlier_life(state: Path) -> str:
    """Leave what an agent has made by the time that it joins; returns its key."""
    identity = Identity(state)
    identity.acquire()
    identity.release()
    Spool(state / "spool").open()
    BlobCache(state / "blobs", MIB).open()
    return identity.key


def works(peer: Peer, item: str) -> None:
    """Have it train, to see that nothing is amiss."""
    peer.tell(work=[unparse(work.item(peer.blob, item))], run="r-1")
    peer.wait(lambda: item in peer.results)


@pytest.mark.parametrize("left", [0, 20])
def test_a_key_cut_short_makes_another_node_and_is_told(
    peer: Peer, start: Start, tmp_path: Path, left: int
) -> None:
    first = earlier_life(tmp_path / "state")
    os.truncate(tmp_path / "state" / "node.key", left)
    start()
    peer.wait(lambda: keys(peer))
    (second,) = keys(peer)
    assert first != second
    assert re.fullmatch("[0-9a-f]{64}", second)
    assert "node.key' is damaged: this becomes another node" in (tmp_path / "log").read_text()


def test_results_cut_short_are_given_up_and_it_goes_on(
    peer: Peer, start: Start, tmp_path: Path
) -> None:
    spool = tmp_path / "state" / "spool"
    spool.mkdir(parents=True)
    (spool / "r-1.000001.0.result").write_bytes(b"")
    (spool / "r-1.000002.0.result").write_bytes(b"FBR1\0\0")
    (spool / ".r-1.000003.0.result.x1.part").write_bytes(b"FBR1")
    reason = "is no result: it ends before its header"
    peer.instead["PUT"] = [refusal(422, "PayloadError", reason)] * 2
    start()
    peer.wait(lambda: len(peer.requests("PUT")) == 2)
    works(peer, "r-1.000004.0")
    assert not [path for path in spool.iterdir() if path.name != "r-1.000004.0.result"]
    assert (tmp_path / "log").read_text().count(reason) == 2


def test_a_model_cut_short_is_fetched_again(peer: Peer, start: Start, tmp_path: Path) -> None:
    item = work.item(peer.blob, "i1")
    blobs = tmp_path / "state" / "blobs"
    blobs.mkdir(parents=True)
    for record in item.records:
        if record.blob is not None:
            (blobs / record.blob.sha256).write_bytes(b"")
    start()
    works(peer, "i1")


def test_a_disk_that_is_full_at_the_first_start_ends_it_with_its_own_code(
    peer: Peer, start: Start, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "state", MIB):
        ballast = fill(tmp_path / "state")
        assert start().wait(LIMIT_S) == 15
        (line,) = (tmp_path / "log").read_text().splitlines()
        assert line.startswith(f"fedbed agent: the disk of the state folder '{tmp_path}/state' is")
        ballast.unlink()
        agent = start()
        peer.wait(lambda: keys(peer))
        agent.terminate()
        agent.wait()


def test_a_disk_that_is_full_at_a_later_start_holds_up_its_work_alone(
    peer: Peer, start: Start, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "state", 4 * MIB):
        key = earlier_life(tmp_path / "state")
        ballast = fill(tmp_path / "state")
        agent = start()
        peer.wait(lambda: keys(peer))
        assert keys(peer) == [key]
        peer.tell(work=[unparse(work.item(peer.blob, "i1"))], run="r-1")
        asked = "/api/v1/nodes/n-1/work"
        peer.wait(lambda: any(p.json["trouble"] for p in peer.requests("POST", asked)))
        ballast.unlink()
        peer.wait(lambda: "i1" in peer.results)
        agent.terminate()
        assert agent.wait(LIMIT_S) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
