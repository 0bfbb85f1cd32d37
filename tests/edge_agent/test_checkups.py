"""The daemon's side of a check-up: real children, a real server in the coordinator's place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.checkups import Checkups
from edge_agent.config import AgentConfig
from edge_agent.doctor.examination import checks
from fedbed.link.health import FAIL, SKIPPED, Checkup
from tests.edge_agent.peer import Answer, Peer

PATH = "/api/v1/nodes/n-1/health"


@pytest.fixture
def busy() -> threading.Event:
    return threading.Event()


@pytest.fixture
def checkups(
    config: AgentConfig,
    peer: Peer,
    busy: threading.Event,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Checkups]:
    monkeypatch.setenv("FEDBED_DATA", str(tmp_path / "no-data"))
    # A worker that doesn't start makes a check-up short.
    made = Checkups(replace(config, worker_python="/nowhere/python"), busy.is_set)
    made.joined("n-1", "token-1")
    peer.tell(instead={f"POST {PATH}": [Answer(200, b"{}")] * 5})
    yield made
    made.stop()


def test_findings_of_a_child_are_sent_by_the_nodes_own_credential(
    checkups: Checkups, peer: Peer
) -> None:
    checkups.asked(None)
    checkups.asked(Checkup("c-1", dataset="mnist"))
    peer.wait(lambda: peer.requests("POST", PATH))
    (seen,) = peer.requests("POST", PATH)
    assert seen.headers["Authorization"] == "Bearer token-1"
    assert (seen.json["checkup"], seen.json["busy"]) == ("c-1", False)
    levels = {finding["check"]: finding["level"] for finding in seen.json["findings"]}
    assert list(levels) == [check.name for check in checks()]
    assert levels["worker"] == levels["data"] == FAIL
    assert 0 < seen.json["took_s"] < 20


def test_a_node_that_trains_leaves_out_what_would_disturb_it(
    checkups: Checkups, peer: Peer, busy: threading.Event
) -> None:
    busy.set()
    checkups.asked(Checkup("c-1"))
    peer.wait(lambda: peer.requests("POST", PATH))
    report = peer.requests("POST", PATH)[0].json
    assert report["busy"] is True
    left_out = {f["check"] for f in report["findings"] if "the node trains" in f["found"]}
    assert {"torch", "memory"} <= left_out
    assert {f["level"] for f in report["findings"] if f["check"] in left_out} == {SKIPPED}


def test_the_latest_of_several_follows_the_one_that_runs(checkups: Checkups, peer: Peer) -> None:
    for name in ("c-1", "c-2", "c-3"):
        checkups.asked(Checkup(name))
        if name == "c-1":
            peer.wait(lambda: peer.requests("GET", "/api/v1/health"))
    peer.wait(lambda: len(peer.requests("POST", PATH)) == 2)
    assert [seen.json["checkup"] for seen in peer.requests("POST", PATH)] == ["c-1", "c-3"]


def test_a_child_that_dies_is_a_finding(
    config: AgentConfig, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    dead = Checkups(config, lambda: False)
    dead.joined("n-1", "token-1")
    peer.tell(instead={f"POST {PATH}": [Answer(200, b"{}")]})
    dead.asked(Checkup("c-1"))
    peer.wait(lambda: peer.requests("POST", PATH))
    (finding,) = peer.requests("POST", PATH)[0].json["findings"]
    assert (finding["check"], finding["level"]) == ("doctor", FAIL)
    assert "its process ended with code 1" in finding["found"]
    dead.stop()


def test_stopping_ends_a_child_that_runs(config: AgentConfig, peer: Peer) -> None:
    held = threading.Event()
    peer.hold["GET /api/v1/health"] = held
    running = Checkups(config, lambda: False)
    running.joined("n-1", "token-1")
    running.asked(Checkup("c-1"))
    peer.wait(lambda: peer.requests("GET", "/api/v1/health"))
    child = running._child
    assert child is not None
    running.stop()
    assert child.poll() is not None
    held.set()
    assert not peer.requests("POST", PATH)
