from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edge_agent.doctor import link
from edge_agent.doctor.link import (
    CHECKS,
    Reading,
    judge_admission,
    judge_bandwidth,
    judge_clock,
    judge_coordinator,
    judge_delay,
    judge_mtu,
    judge_tls,
    judge_version,
)
from edge_agent.doctor.setup import Setup
from fedbed.authority import issue, make_ca
from fedbed.errors import CoordinatorAway, NameTaken, Untrusted
from fedbed.link.health import FAIL, OK, SKIPPED, WARN, Finding
from tests.edge_agent.peer import Answer, Peer, refusal

NOW = 1_790_000_000.0
HEALTH = Answer(200, json.dumps({"product": "fedbed", "version": "0.1.0"}).encode())
FAR = "http://10.0.0.5:8470"


def knocked(**more: object) -> Answer:
    return Answer(200, json.dumps({"known": True, "now_s": NOW, **more}).encode())


def findings(setup: Setup, peer: Peer, *answers: Answer) -> dict[str, Finding]:
    """What the group finds of a peer that answers knocks so; the last answer is for the rest."""
    knocks = [*answers[:-1], *[answers[-1]] * 10] if answers else []
    peer.tell(instead={"GET /api/v1/health": [HEALTH], "POST /api/v1/knock": knocks})
    found = link.GROUP.examine(replace(setup, coordinator=peer.url))
    assert [finding.check for finding in found] == [check.name for check in CHECKS]
    return {finding.check: finding for finding in found}


def levels(found: dict[str, Finding]) -> dict[str, str]:
    return {name: finding.level for name, finding in found.items()}


def test_a_coordinator_that_answers(setup: Setup, peer: Peer) -> None:
    (setup.state_dir / "node.key").write_text("0a" * 32)
    found = findings(setup, peer, knocked())
    # The peer's knocks tell a time of their own.
    assert levels({**found, "clock": found["mtu"]}) == {check.name: OK for check in CHECKS}
    knocks = [seen.json for seen in peer.requests("POST", "/api/v1/knock")]
    assert {knock["key"] for knock in knocks} == {"0a" * 32}
    assert max(len(knock.get("padding", "")) for knock in knocks) >= link.FIRST_BYTES


def test_one_that_is_not_there(setup: Setup) -> None:
    found = {finding.check: finding for finding in link.GROUP.examine(setup)}
    assert found["coordinator"].level == FAIL
    assert "Connection refused" in found["coordinator"].found
    assert {found[c.name].level for c in CHECKS if c.name != "coordinator"} == {SKIPPED}


def test_another_program_at_that_address(setup: Setup, peer: Peer) -> None:
    peer.tell(instead={"GET /api/v1/health": [Answer(200, b'{"product": "other"}')]})
    found = link.GROUP.examine(replace(setup, coordinator=peer.url))
    assert found[0].level == FAIL
    assert "is no fedbed coordinator" in found[0].found


def test_one_that_is_too_old_for_knocks(setup: Setup, peer: Peer) -> None:
    found = findings(setup, peer, refusal(404, "NotFound"))
    assert levels(found)["coordinator"] == OK
    assert levels(found)["admission"] == levels(found)["bandwidth"] == SKIPPED


def test_a_node_that_is_not_let_in(setup: Setup, peer: Peer) -> None:
    said = "the enrolment token e-1 is expired"
    finding = findings(setup, peer, refusal(401, "NotAdmitted", said))["admission"]
    assert (finding.level, finding.found) == (FAIL, said)
    assert "fedbed enrol pi-1" in finding.mend
    taken = judge_admission(Reading(refusal=NameTaken("another node is called so")), "pi-1")
    assert taken.level == FAIL
    assert "fedbed nodes remove pi-1" in taken.mend


def test_a_token_file_that_holds_none_fails(setup: Setup, peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("two words")
    broken = replace(setup, enrol_file=tmp_path / "token")
    finding = findings(broken, peer, knocked())["admission"]
    assert finding.level == FAIL
    assert "holds no token" in finding.found


def test_a_drained_node_warns(setup: Setup, peer: Peer) -> None:
    finding = findings(setup, peer, knocked(withheld="is drained: it gets no work"))["admission"]
    assert finding.level == WARN
    assert "fedbed nodes resume pi-1" in finding.mend


def test_a_certificate_of_another_ca_fails(setup: Setup, peer: Peer, tmp_path: Path) -> None:
    for name in ("lab", "other"):
        make_ca(tmp_path / name)
        issue(tmp_path / name, ["127.0.0.1"])
    with_tls = Peer(tls=tmp_path / "lab")
    try:
        wrong = findings(replace(setup, ca=tmp_path / "other" / "ca.pem"), with_tls)
        right = findings(replace(setup, ca=tmp_path / "lab" / "ca.pem"), with_tls, knocked())
    finally:
        with_tls.stop()
    assert wrong["tls"].level == FAIL
    assert "was not issued by the CA in" in wrong["tls"].found
    assert {f.level for f in wrong.values()} == {FAIL, SKIPPED}
    assert right["tls"].level == OK
    assert "ends in 82" in right["tls"].found


def test_tls() -> None:
    assert judge_tls(Reading(), FAR, NOW).level == WARN
    assert judge_tls(Reading(), "http://127.0.0.1:1", NOW).level == OK
    assert judge_tls(Reading(ends_at=NOW + 86400), "https://pc:1", NOW).level == WARN
    assert judge_tls(Reading(error=Untrusted("no")), "https://pc:1", NOW).level == FAIL
    dates = CoordinatorAway("the certificate of https://pc:1 is not valid yet")
    assert judge_tls(Reading(error=dates), "https://pc:1", NOW).level == FAIL
    assert judge_tls(Reading(error=CoordinatorAway("away")), FAR, NOW).level == SKIPPED
    assert judge_coordinator(Reading(error=Untrusted("no")), FAR).level == SKIPPED


def test_versions() -> None:
    assert judge_version(Reading(version="0.1.0"), "0.1.0").level == OK
    assert judge_version(Reading(version="0.2.0"), "0.1.0").level == WARN


@pytest.mark.parametrize(
    ("ahead_s", "now", "level"),
    [
        (0.2, NOW, OK),
        (-7.0, NOW, WARN),
        (100_000.0, NOW, FAIL),
        (-100_000.0, NOW, FAIL),
        (None, NOW, SKIPPED),
        (None, 1000.0, FAIL),
        (0.0, 1000.0, FAIL),
    ],
)
def test_a_clock_that_is_off(ahead_s: float | None, now: float, level: str) -> None:
    assert judge_clock(Reading(ahead_s=ahead_s, error_s=0.1), now).level == level


def test_what_the_delay_leaves_open_is_not_held_against_the_clock() -> None:
    assert judge_clock(Reading(ahead_s=6.0, error_s=3.0), NOW).level == OK


def test_a_slow_way() -> None:
    assert judge_delay(Reading(delays_s=[0.01, 9.0, 0.02])).level == OK
    assert judge_delay(Reading(delays_s=[0.5])).level == WARN
    assert judge_delay(Reading(delays_s=[6.0])).level == FAIL
    assert judge_bandwidth(Reading(up=5e6, down=5e6), False).level == OK
    assert judge_bandwidth(Reading(up=5e6, down=1e5), False).level == WARN
    assert judge_bandwidth(Reading(up=500.0, down=5e6), False).level == FAIL
    assert "trains" in judge_bandwidth(Reading(), True).found
    assert judge_mtu(Reading(mtu=1500)).level == OK
    assert judge_mtu(Reading(mtu=576)).level == WARN


@contextmanager
def black_hole() -> Iterator[str]:
    """A coordinator that gets only what fits into a packet; gives its URL."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._answer(HEALTH.body)

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            if size > 1400:
                over.wait(20)
                self.close_connection = True
                return
            self.rfile.read(size)
            self._answer(knocked().body)

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_way_that_swallows_large_packets(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "CARRY_LIMIT_S", 0.5)
    with black_hole() as url:
        found = {f.check: f for f in link.GROUP.examine(replace(setup, coordinator=url))}
    assert found["mtu"].level == FAIL
    assert "large packets don't come through" in found["mtu"].found
    assert "ip link set" in found["mtu"].mend
    assert found["bandwidth"].level == FAIL
    assert found["delay"].level == OK


def test_a_node_that_trains_carries_nothing(setup: Setup, peer: Peer) -> None:
    found = findings(replace(setup, light=True), peer, knocked())
    assert found["bandwidth"].level == SKIPPED
    assert found["delay"].level == OK
    knocks = [seen.json for seen in peer.requests("POST", "/api/v1/knock")]
    assert not any(knock.get("padding") or knock.get("want_bytes") for knock in knocks)


def test_a_hostile_coordinator_forges_no_finding(setup: Setup, peer: Peer) -> None:
    found = findings(setup, peer, knocked(withheld="x" * 100_000, now_s="soon", known=[1]))
    assert len(found["admission"].found) < 300
    assert found["clock"].level == SKIPPED
