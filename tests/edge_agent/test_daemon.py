from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

import psutil
import pytest

from fedbed.authority import issue, make_ca
from fedbed.link.messages import unparse
from tests.edge_agent import work
from tests.edge_agent.peer import LIMIT_S, Answer, Peer, refusal
from tests.parts import shifted

pytestmark = pytest.mark.e2e
Agent = subprocess.Popen[bytes]
Start = Callable[..., Agent]
JOIN = "/api/v1/nodes"
POLL = "/api/v1/nodes/n-1/work"


@pytest.fixture
def start(peer: Peer, tmp_path: Path) -> Iterator[Start]:
    agents: list[Agent] = []

    def start(
        *flags: str,
        stdin: int | IO[bytes] | None = subprocess.PIPE,
        how: Sequence[str] = ("-m", "edge_agent"),
        env: dict[str, str] | None = None,
    ) -> Agent:
        command = [sys.executable, *how, "--coordinator", peer.url, "--name", "pi-1"]
        command += ["--state-dir", str(tmp_path / "state"), *flags]
        with (tmp_path / "log").open("ab") as log:
            agent = subprocess.Popen(command, stdin=stdin, stderr=log, env=env)
        agents.append(agent)
        return agent

    yield start
    for agent in agents:
        if agent.poll() is None:
            agent.kill()
        agent.wait()
        if agent.stdin is not None:
            with contextlib.suppress(OSError):
                agent.stdin.close()


def joins(peer: Peer) -> list[dict[str, object]]:
    return [s.json for s in peer.seen if s.method == "POST" and s.path == JOIN]


def polls(peer: Peer) -> list[dict[str, object]]:
    return [s.json for s in peer.requests("POST", POLL)]


def eventually(predicate: Callable[[], object]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not predicate():
        assert time.monotonic() < limit
        time.sleep(0.05)


def log(tmp_path: Path) -> str:
    return (tmp_path / "log").read_text()


def test_it_joins_polls_and_leaves_at_sigterm(peer: Peer, start: Start, tmp_path: Path) -> None:
    agent = start("--label", "arch=arm", "--allow-apps", "no")
    peer.wait(lambda: len(polls(peer)) == 2)
    (joined,) = joins(peer)
    assert joined["name"] == "pi-1"
    assert joined["labels"] == {"arch": "arm"}
    assert joined["apps_allowed"] is False
    assert joined["key"] == (tmp_path / "state/node.key").read_text()
    assert peer.requests("POST", POLL)[0].headers["Authorization"] == "Bearer token-1"
    # The first one doesn't wait for work, but for the coordinator's time.
    assert [asked["wait_s"] for asked in polls(peer)] == [0.0, 5.0]
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(LIMIT_S) == 0
    assert [s.path for s in peer.requests("DELETE")] == ["/api/v1/nodes/n-1"]


def test_a_certificate_that_cannot_be_trusted_ends_it_at_the_start_only(
    start: Start, peer: Peer, tmp_path: Path
) -> None:
    for name in ("lab", "other"):
        make_ca(tmp_path / name)
        issue(tmp_path / name, ["127.0.0.1"])
    with_tls = Peer(tls=tmp_path / "lab")
    address = ("--coordinator", with_tls.url)
    stranger = start(*address, "--ca", str(tmp_path / "other" / "ca.pem"))
    assert stranger.wait(LIMIT_S) == 17
    (line,) = log(tmp_path).splitlines()
    assert "was not issued by the CA in" in line
    agent = start(*address, "--ca", str(tmp_path / "lab" / "ca.pem"))
    with_tls.wait(lambda: polls(with_tls))
    with_tls.stop()
    # What stands there now has another's certificate; a restart with the right one mends it.
    wrong = Peer(port=with_tls.port, tls=tmp_path / "other")
    eventually(lambda: "Trying again until it answers" in log(tmp_path))
    wrong.wait(lambda: wrong.connections >= 2)
    wrong.stop()
    again = Peer(port=with_tls.port, tls=tmp_path / "lab")
    again.wait(lambda: polls(again))
    assert agent.poll() is None
    again.stop()


def test_a_clock_that_is_off_is_told_and_tried_again(
    start: Start, peer: Peer, tmp_path: Path
) -> None:
    make_ca(tmp_path)
    issue(tmp_path, ["127.0.0.1"])
    with_tls = Peer(tls=tmp_path)
    # As a system would that trusts this CA: without --ca dates count.
    trusted = {**os.environ, "SSL_CERT_FILE": str(tmp_path / "ca.pem"), "SSL_CERT_DIR": "/nowhere"}
    trusted.pop("FEDBED_CA", None)
    off = {**trusted, **shifted("-1y")}
    agent = start("--coordinator", with_tls.url, env=off)
    eventually(lambda: "Trying again" in log(tmp_path))
    assert agent.poll() is None
    (line,) = log(tmp_path).splitlines()
    assert "is not valid yet, by this machine's clock, which says 20" in line
    assert not with_tls.seen
    agent.kill()
    start("--coordinator", with_tls.url, env=trusted)
    with_tls.wait(lambda: polls(with_tls))
    with_tls.stop()


def test_ctrl_c_is_no_failure(peer: Peer, start: Start, tmp_path: Path) -> None:
    agent = start()
    peer.wait(lambda: polls(peer))
    agent.send_signal(signal.SIGINT)
    assert agent.wait(LIMIT_S) == 0
    assert "Traceback" not in log(tmp_path)


def test_a_second_life_is_the_same_node(peer: Peer, start: Start) -> None:
    for _life in (1, 2):
        peer.tell(seen=[s for s in peer.seen if s.path == JOIN])
        agent = start()
        peer.wait(lambda: polls(peer))
        agent.kill()
        agent.wait()
    first, second = joins(peer)
    assert first["key"] == second["key"]


def test_two_agents_can_not_share_a_state_folder(peer: Peer, start: Start, tmp_path: Path) -> None:
    start()
    peer.wait(lambda: polls(peer))
    assert start().wait(LIMIT_S) == 7
    assert "another agent already runs with the state folder" in log(tmp_path)


@pytest.mark.parametrize("code", [(401, "NotAdmitted"), (404, "NotFound")])
def test_a_credential_that_is_void_makes_it_join_again(
    peer: Peer, start: Start, code: tuple[int, str]
) -> None:
    peer.instead[f"POST {POLL}"] = [refusal(*code)] * 2
    start()
    peer.wait(lambda: len(polls(peer)) == 3)
    assert len(joins(peer)) == 3
    tokens = [s.headers["Authorization"] for s in peer.requests("POST", POLL)]
    assert tokens == ["Bearer token-1", "Bearer token-2", "Bearer token-3"]


def test_who_is_not_let_in_is_told_so_and_ends(
    peer: Peer, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.instead["POST /api/v1/nodes"] = [refusal(401, "NotAdmitted", "e-1 is used up")]
    token = tmp_path / "enrol.token"
    token.write_text("fedbed-enrol-secret\n")
    monkeypatch.setenv("FEDBED_ENROL_FILE", str(token))
    assert start().wait(LIMIT_S) == 14
    assert (
        peer.requests("POST", "/api/v1/nodes")[0].headers["Authorization"]
        == "Bearer fedbed-enrol-secret"
    )
    assert "fedbed agent: e-1 is used up" in log(tmp_path)
    assert "fedbed-enrol-secret" not in log(tmp_path)


def test_a_file_that_holds_no_token_is_not_shown(
    peer: Peer, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "two.token").write_text("fedbed-enrol-one\nfedbed-enrol-two\n")
    monkeypatch.setenv("FEDBED_ENROL_FILE", str(tmp_path / "two.token"))
    assert start().wait(LIMIT_S) == 2
    assert "holds no token: that is one word" in log(tmp_path)
    assert "fedbed-enrol" not in log(tmp_path)
    assert joins(peer) == []


def test_a_coordinator_that_restarts_finds_it_back(peer: Peer, start: Start) -> None:
    agent = start()
    peer.wait(lambda: polls(peer))
    peer.stop()
    back = Peer(port=peer.port)
    try:
        back.wait(lambda: polls(back))
        assert joins(back) == []
        agent.terminate()
        assert agent.wait(LIMIT_S) == 0
    finally:
        back.stop()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"{}"),
        Answer(200, b'{"drop": 5, "poll_s": 1, "node_id": 1}'),
        Answer(200, b"<html>"),
        Answer(404, b'{"detail": "Not Found"}'),
        Answer(500, b"Internal Server Error"),
    ],
)
def test_what_is_no_coordinator_is_waited_out(
    peer: Peer, start: Start, tmp_path: Path, answer: Answer
) -> None:
    peer.instead[f"POST {JOIN}"] = [answer, answer]
    peer.instead[f"POST {POLL}"] = [answer]
    agent = start()
    peer.wait(lambda: polls(peer))
    peer.wait(lambda: len(polls(peer)) >= 2)
    assert agent.poll() is None
    assert "doesn't answer like a fedbed coordinator. Trying again" in log(tmp_path)


def test_a_name_that_is_taken_ends_it(peer: Peer, start: Start, tmp_path: Path) -> None:
    peer.instead[f"POST {JOIN}"] = [refusal(409, "NameTaken", "another node is called 'pi-1'")]
    assert start().wait(LIMIT_S) == 7
    assert "fedbed agent: another node is called 'pi-1'" in log(tmp_path)
    assert peer.requests("DELETE") == []


def test_a_worker_interpreter_that_is_none_ends_it(start: Start, tmp_path: Path) -> None:
    assert start("--worker-python", "/no/python").wait(LIMIT_S) == 10
    assert "--worker-python: '/no/python' doesn't run" in log(tmp_path)


def test_wrong_flags_and_folders_are_one_line(start: Start, tmp_path: Path) -> None:
    assert start("--threads", "0").wait(LIMIT_S) == 2
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "spool").touch()
    assert start().wait(LIMIT_S) == 1
    lines = log(tmp_path).splitlines()
    assert len(lines) == 2
    assert "--threads: given '0', allowed: a whole number from 1" in lines[0]
    assert "can't be used (File exists" in lines[1]


def test_it_stops_with_its_parent(peer: Peer, start: Start) -> None:
    agent = start("--stop-with-parent")
    peer.wait(lambda: polls(peer))
    assert agent.stdin is not None
    agent.stdin.close()
    assert agent.wait(LIMIT_S) == 0
    assert len(peer.requests("DELETE")) == 1


# The thread that watches the input has done its work before `start` returns.
PROMPT = """
import sys, threading
from edge_agent import config, daemon
genuine = threading.Thread.start
def start(thread):
    genuine(thread)
    if thread.name == "parent":
        thread.join()
threading.Thread.start = start
sys.exit(daemon.run(config.parse(sys.argv[1:])))
"""


@pytest.mark.parametrize("how", [["-m", "edge_agent"], ["-c", PROMPT]])
def test_a_parent_that_has_gone_before_it_started(
    start: Start, tmp_path: Path, how: list[str]
) -> None:
    agent = start("--stop-with-parent", stdin=subprocess.DEVNULL, how=how)
    assert agent.wait(LIMIT_S) == 0
    assert "Traceback" not in log(tmp_path)


def test_without_the_flag_closed_input_means_nothing(peer: Peer, start: Start) -> None:
    start(stdin=subprocess.DEVNULL)
    peer.wait(lambda: polls(peer))


def test_work_comes_with_the_poll_and_progress_goes_with_the_next(peer: Peer, start: Start) -> None:
    start()
    peer.wait(lambda: polls(peer))
    item = work.long_item(peer.blob, "i1")
    peer.tell(work=[unparse(item)], run="r-1")
    peer.wait(lambda: any(p["progress"] for p in polls(peer)))
    last = polls(peer)[-1]
    assert last["holding"] == ["i1"]
    assert last["wait_s"] == 1.0
    peer.tell(drop=["i1"])
    peer.wait(lambda: polls(peer)[-1]["holding"] == [])
    peer.tell(work=[unparse(work.item(peer.blob, "i2"))])
    peer.wait(lambda: list(peer.results) == ["i2"])


def test_an_item_with_a_hostile_id_does_not_end_it(peer: Peer, start: Start) -> None:
    start()
    peer.wait(lambda: polls(peer))
    good = work.item(peer.blob, "i2")
    hostile = dict(unparse(good), id="../../i1")
    peer.tell(work=[hostile, unparse(good)], run="r-1")
    peer.wait(lambda: list(peer.results) == ["i2"])


def test_killed_with_a_spooled_result_it_sends_that_in_its_next_life(
    peer: Peer, start: Start
) -> None:
    peer.instead["PUT"] = [Answer(500, b"down")] * 1000
    agent = start()
    peer.wait(lambda: polls(peer))
    peer.tell(work=[unparse(work.item(peer.blob, "i1"))], run="r-1")
    peer.wait(lambda: peer.requests("PUT"))
    agent.kill()
    agent.wait()
    peer.instead.clear()
    start()
    peer.wait(lambda: "i1" in peer.results)
    assert peer.results["i1"] == peer.requests("PUT")[0].body


def test_a_worker_does_not_outlive_a_killed_agent(peer: Peer, start: Start) -> None:
    agent = start()
    peer.wait(lambda: polls(peer))
    peer.tell(work=[unparse(work.long_item(peer.blob, "i1"))], run="r-1")
    peer.wait(lambda: any(p["progress"] for p in polls(peer)))
    (worker,) = psutil.Process(agent.pid).children()
    os.kill(agent.pid, signal.SIGKILL)
    agent.wait()
    psutil.wait_procs([worker], timeout=LIMIT_S)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
