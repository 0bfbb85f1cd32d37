from __future__ import annotations

import datetime
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.link import Link
from fedbed.authority import issue, make_ca
from fedbed.certificates import utc_now
from fedbed.errors import CoordinatorAway, NotFound, PayloadError, Refused, Untrusted
from fedbed.link.messages import BlobRef
from tests.edge_agent.peer import Answer, Peer, refusal

MODEL = bytes(range(256)) * 4096


@pytest.fixture(params=["http", "https"])
def peer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Peer]:
    """All of this must hold over TLS as well."""
    tls = None
    if request.param == "https":
        tls = tmp_path_factory.mktemp("ca")
        make_ca(tls)
        issue(tls, ["127.0.0.1"])
    peer = Peer(tls=tls)
    yield peer
    for event in peer.hold.values():
        event.set()
    if not peer.closed:
        peer.stop()


def ca_of(peer: Peer) -> Path | None:
    return None if peer.tls is None else peer.tls / "ca.pem"


@pytest.fixture
def link(peer: Peer) -> Iterator[Link]:
    link = Link(peer.url, ca_of(peer))
    yield link
    link.close()


def join(link: Link) -> dict[str, Any]:
    return link.call("POST", "/api/v1/nodes", {"name": "pi"})


def send(link: Link, path: Path, item: str = "i") -> None:
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    link.upload(f"/api/v1/work/{item}/result", path, len(data), digest, 20.0)


@pytest.fixture
def result(tmp_path: Path) -> Path:
    path = tmp_path / "update.result"
    path.write_bytes(MODEL * 16)
    return path


def test_requests_share_one_connection_and_carry_the_token(peer: Peer, link: Link) -> None:
    assert join(link)["node_id"] == "n-1"
    assert "Authorization" not in peer.seen[0].headers
    link.token = "secret"
    assert link.call("DELETE", "/api/v1/nodes/n-1") == {"left": "it"}
    assert peer.seen[1].headers["Authorization"] == "Bearer secret"
    assert peer.seen[0].json == {"name": "pi"}
    assert peer.connections == 1


def test_nobody_listens(peer: Peer, link: Link) -> None:
    peer.stop()
    with pytest.raises(CoordinatorAway, match=f"at {peer.url} .*: is `fedbed coordinator` running"):
        join(link)


def test_https_to_a_coordinator_that_speaks_http() -> None:
    peer = Peer()
    link = Link(peer.url.replace("http:", "https:"))
    with pytest.raises(CoordinatorAway, match=r"speaks http, not https: .* --coordinator\.$"):
        join(link)
    link.close()
    peer.stop()


def test_a_certificate_that_cannot_be_trusted(tmp_path: Path) -> None:
    for name in ("here", "other"):
        make_ca(tmp_path / name)
        issue(tmp_path / name, ["pc"])
    peer = Peer(tls=tmp_path / "here")
    for ca, host, why in (
        ("other", "127.0.0.1", "was not issued by the CA in"),
        ("here", "127.0.0.1", "is for other names"),
    ):
        link = Link(peer.url.replace("127.0.0.1", host), tmp_path / ca / "ca.pem")
        for _ in range(2):
            with pytest.raises(Untrusted, match=why):
                join(link)
    assert not peer.seen
    peer.stop()


def test_with_a_pinned_ca_dates_do_not_count(tmp_path: Path) -> None:
    long_ago = utc_now() - datetime.timedelta(days=500)
    make_ca(tmp_path)
    issue(tmp_path, ["127.0.0.1"], days=100, now=long_ago)
    peer = Peer(tls=tmp_path)
    link = Link(peer.url, tmp_path / "ca.pem")
    assert join(link)["node_id"] == "n-1"
    link.close()
    peer.stop()


def test_it_comes_back_on_the_same_port(peer: Peer, link: Link) -> None:
    join(link)
    peer.stop()
    with pytest.raises(CoordinatorAway):
        join(link)
    again = Peer(port=peer.port, tls=peer.tls)
    try:
        assert join(link)["node_id"] == "n-1"
    finally:
        again.stop()


def test_an_idle_connection_that_the_server_closed_costs_nothing(
    peer: Peer, link: Link, result: Path
) -> None:
    join(link)
    peer.cut()
    send(link, result)
    assert peer.results["i"] == result.read_bytes()
    peer.cut()
    join(link)
    assert peer.connections == 3


def test_after_an_answer_with_connection_close_waits_are_as_long_as_asked(
    peer: Peer, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.link.CONNECT_TIMEOUT_S", 0.2)
    closing = refusal(403, "Refused", before_body=True)
    peer.instead["POST"] = [closing]
    with pytest.raises(Refused):
        join(link)
    peer.hold["POST"] = slow = threading.Event()
    threading.Timer(0.5, slow.set).start()
    assert link.call("POST", "/api/v1/nodes", {"name": "pi"}, timeout_s=20.0)["name"] == "pi"


def test_a_slow_answer_ends_in_time_and_the_next_request_works(peer: Peer, link: Link) -> None:
    peer.hold["POST"] = slow = threading.Event()
    with pytest.raises(CoordinatorAway, match="timed out"):
        link.call("POST", "/api/v1/nodes", {"name": "pi"}, timeout_s=0.2)
    slow.set()
    assert join(link)["name"] == "pi"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(403, "Refused", Refused), (404, "NotFound", NotFound), (422, "PayloadError", PayloadError)],
)
def test_a_refusal_is_raised_as_what_the_coordinator_named(
    peer: Peer, link: Link, status: int, code: str, kind: type[Exception]
) -> None:
    peer.instead["POST"] = [refusal(status, code, "because")]
    with pytest.raises(kind, match="because"):
        join(link)
    assert join(link)["name"] == "pi"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>hello</html>"),
        Answer(200, b"[1]"),
        Answer(404, b'{"detail": "Not Found"}'),
        Answer(502, b'{"error": "bad gateway"}'),
        Answer(500, b"Internal Server Error"),
        Answer(302, b"{}"),
        Answer(200, b"\xff"),
    ],
)
def test_a_server_that_is_not_fedbed(peer: Peer, link: Link, answer: Answer) -> None:
    peer.instead["POST"] = [answer]
    with pytest.raises(CoordinatorAway, match="doesn't answer like a fedbed coordinator"):
        join(link)
    peer.instead["GET"] = [answer if answer.status != 200 else Answer(302, b"{}")]
    with pytest.raises(CoordinatorAway, match="doesn't answer like a fedbed coordinator"):
        link.download(BlobRef("0" * 64, 10), Path("unused"))


def test_download(peer: Peer, link: Link, tmp_path: Path) -> None:
    link.download(peer.blob(MODEL), tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == MODEL
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_cut_download_goes_on_where_it_ended(peer: Peer, link: Link, tmp_path: Path) -> None:
    blob = peer.blob(MODEL)
    peer.cut_after = [300_000, 0]
    for _ in range(2):
        with pytest.raises(CoordinatorAway, match="no answer from the coordinator"):
            link.download(blob, tmp_path / "model")
        assert not (tmp_path / "model").exists()
    link.download(blob, tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == MODEL
    assert [s.headers.get("Range") for s in peer.seen] == [None, *["bytes=300000-"] * 2]


def test_a_server_without_range_sends_all_of_it(peer: Peer, link: Link, tmp_path: Path) -> None:
    peer.ranges = False
    peer.cut_after = [300_000]
    blob = peer.blob(MODEL)
    with pytest.raises(CoordinatorAway):
        link.download(blob, tmp_path / "model")
    link.download(blob, tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == MODEL


def test_a_part_that_is_all_there_needs_no_request(peer: Peer, link: Link, tmp_path: Path) -> None:
    blob = peer.blob(MODEL)
    (tmp_path / "model.part").write_bytes(MODEL)
    link.download(blob, tmp_path / "model")
    assert not peer.seen


@pytest.mark.parametrize("wrong", [b"x" * 10, MODEL + b"more"])
def test_a_part_of_something_else_is_thrown_away(
    peer: Peer, link: Link, tmp_path: Path, wrong: bytes
) -> None:
    blob = peer.blob(MODEL)
    (tmp_path / "model.part").write_bytes(wrong)
    if len(wrong) < blob.size:
        with pytest.raises(PayloadError, match="other bytes than its hash says"):
            link.download(blob, tmp_path / "model")
    link.download(blob, tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == MODEL


def test_a_blob_larger_than_announced_is_not_taken_in(
    peer: Peer, link: Link, tmp_path: Path
) -> None:
    blob = BlobRef(peer.blob(MODEL * 8).sha256, 1000)
    with pytest.raises(PayloadError, match="larger than announced"):
        link.download(blob, tmp_path / "model")
    assert join(link)["name"] == "pi"


def test_an_unknown_blob(peer: Peer, link: Link, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such blob"):
        link.download(BlobRef("0" * 64, 10), tmp_path / "model")


def test_a_folder_that_can_not_be_written_is_not_the_coordinators_fault(
    peer: Peer, link: Link, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        link.download(peer.blob(MODEL), tmp_path / "gone" / "model")
    assert join(link)["name"] == "pi"


def test_upload(peer: Peer, link: Link, result: Path) -> None:
    link.token = "secret"
    send(link, result, "r-1.000001.0")
    assert peer.results["r-1.000001.0"] == result.read_bytes()
    headers = peer.seen[0].headers
    assert headers["Content-Length"] == str(result.stat().st_size)
    assert headers["X-Fedbed-Sha256"] == hashlib.sha256(result.read_bytes()).hexdigest()
    assert headers["Authorization"] == "Bearer secret"
    assert "Transfer-Encoding" not in headers


def test_a_refusal_before_the_body_is_read_is_heard(peer: Peer, link: Link, result: Path) -> None:
    peer.instead["PUT"] = [refusal(422, "PayloadError", "too large", before_body=True)]
    with pytest.raises((PayloadError, CoordinatorAway)) as caught:
        send(link, result)
    assert caught.type is PayloadError
    send(link, result)
    assert peer.results["i"] == result.read_bytes()


def test_an_upload_of_a_file_that_is_gone_is_not_the_coordinators_fault(
    peer: Peer, link: Link, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        link.upload("/api/v1/work/i/result", tmp_path / "gone", 1, "0", 5.0)
    assert not peer.seen


def test_another_thread_can_break_off_a_request(peer: Peer, link: Link) -> None:
    peer.hold["POST"] = threading.Event()
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            link.call("POST", "/api/v1/nodes", {"name": "pi"}, timeout_s=60.0)
        except CoordinatorAway as error:
            caught.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    peer.wait(lambda: peer.seen)
    link.interrupt()
    thread.join(5.0)
    assert not thread.is_alive()
    assert caught
    Link(peer.url).interrupt()
