from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from fedbed import __version__
from fedbed.client import Client
from fedbed.errors import (
    CoordinatorAway,
    ExperimentError,
    FedbedError,
    NotFound,
    Refused,
    RunFailed,
    UsageError,
)
from fedbed.testbed import LocalTestbed

QUICK = (Path(__file__).resolve().parents[2] / "experiments" / "quick.yaml").read_text()


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with LocalTestbed(1) as testbed, Client(testbed.url + "/") as client:
        yield client


def fake(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("http://127.0.0.1:1", httpx.MockTransport(answer))


@pytest.mark.e2e
class TestAgainstACoordinator:
    def test_health_and_live(self, client: Client) -> None:
        assert client.health()["version"] == __version__
        picture = client.live()
        assert [node["name"] for node in picture["nodes"]] == ["node-1"]
        assert client.live(picture["version"], 0.1)["version"] >= picture["version"]

    def test_refusals_arrive_as_what_they_were(self, client: Client) -> None:
        with pytest.raises(NotFound, match="there is no run 'nosuch'"):
            client.run("nosuch")
        with pytest.raises(ExperimentError, match="task"):
            client.submit(name="x", experiment="name: x\ntask: nosuch\n")
        with pytest.raises(UsageError):
            client.submit(experiment=3)
        with pytest.raises(NotFound):
            client.drain("nobody")

    def test_a_run_that_waits_is_stopped_and_its_files_fetched(
        self, client: Client, tmp_path: Path
    ) -> None:
        run_id = client.submit(name="quick", experiment=QUICK, seed=1)
        run = client.run(run_id)
        assert run["state"] == "queued"
        assert "needs 2 nodes" in run["wait"]
        assert client.runs(limit=1)[0]["id"] == run_id
        client.stop(run_id)
        assert client.run(run_id)["state"] == "stopped"
        with pytest.raises(RunFailed, match="has ended already"):
            client.stop(run_id)
        fetched = client.download(run_id, tmp_path / "r")
        assert [path.name for path in fetched] == [f["name"] for f in client.files(run_id)]

    def test_nodes_are_drained_and_resumed(self, client: Client) -> None:
        client.drain("node-1")
        assert client.nodes()[0]["state"] == "drained"
        client.drain("node-1", False)
        assert client.nodes()[0]["state"] == "ready"


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with Client(url) as client, pytest.raises(CoordinatorAway, match=r"start one with"):
        client.health()


def test_something_that_speaks_no_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(b"SSH-2.0-OpenSSH\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with Client(url) as client, pytest.raises(CoordinatorAway, match="speaks no HTTP"):
            client.health()
        thread.join()


def test_https_to_a_coordinator_that_speaks_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        with Client(url) as client, pytest.raises(CoordinatorAway, match="speaks http, not https"):
            client.health()
        thread.join()


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"status": "ok"}),
        httpx.Response(200, json=["x"]),
        httpx.Response(404, json={"detail": "Not Found"}),
        httpx.Response(404, text="nginx"),
    ],
)
def test_another_server_is_no_coordinator(response: httpx.Response) -> None:
    with pytest.raises(CoordinatorAway, match="is no fedbed coordinator"):
        fake(lambda _: response).health()


def test_errors_of_the_coordinator() -> None:
    said = {"code": "Refused", "detail": "no"}
    with pytest.raises(Refused, match=r"^no$"):
        fake(lambda _: httpx.Response(403, json=said)).nodes()
    with pytest.raises(FedbedError, match=r"^later$"):
        fake(lambda _: httpx.Response(400, json={"code": "New", "detail": "later"})).nodes()
    with pytest.raises(FedbedError, match="its log says why"):
        fake(lambda _: httpx.Response(500, text="Internal Server Error")).nodes()


def test_ids_and_names_are_quoted() -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(200, json={})

    client = fake(answer)
    client.stop("a b?")
    client.remove("x y#")
    assert seen == [b"/api/v1/runs/a%20b%3F/stop", b"/api/v1/nodes/x%20y%23/remove"]
    for name in ("../../etc", "a/b", "..", ""):
        with pytest.raises(NotFound, match=f"^there is no run '{name}'$"):
            client.run(name)
        with pytest.raises(NotFound, match=f"^there is no node '{name}'$"):
            client.drain(name)
    assert len(seen) == 2


def test_an_app_is_handed_in_before_it_is_submitted() -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.method, request.url.path, request.read()))
        return httpx.Response(200, json={"sha256": "abc", "size": 3, "id": "r1"})

    assert fake(answer).submit_app(b"zip", name="x") == "r1"
    (first, path, body), (_, _, spec) = seen
    assert (first, body) == ("PUT", b"zip")
    assert path.startswith("/api/v1/blobs/")
    assert json.loads(spec)["bundle"]["sha256"] == "abc"


def test_a_listing_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/files"):
            names = ["../evil", "/evil", "..", "good"]
            return httpx.Response(200, json=[{"name": name, "size": 1} for name in names])
        return httpx.Response(200, content=b"x")

    assert fake(answer).download("r1", tmp_path / "r") == [tmp_path / "r" / "good"]
    assert [path.name for path in tmp_path.rglob("*")] == ["r", "good"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("a file")
    with pytest.raises(UsageError, match="--output"):
        fake(lambda _: httpx.Response(200, json=[])).download("r1", tmp_path / "r")


@pytest.mark.parametrize("url", ["", "pc:8470", "ftp://x", "http://", "http://x:port"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(UsageError, match="--coordinator"):
        Client(url)


def test_who_may_run_an_app_is_asked_without_handing_it_in() -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.method, request.url.path, json.loads(request.read())))
        return httpx.Response(200, json={"nodes": ["pi-1"]})

    assert fake(answer).eligible_for_app(b"zip", nodes=1) == ["pi-1"]
    ref = {"sha256": hashlib.sha256(b"zip").hexdigest(), "size": 3}
    assert seen == [("POST", "/api/v1/runs/eligible", {"bundle": ref, "nodes": 1})]
