from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from edge_agent.blobs import BlobCache
from edge_agent.config import AgentConfig
from edge_agent.executor import Executor
from edge_agent.spool import Spool
from fedbed.link import envelope
from fedbed.link.messages import BlobRef, Record
from tests.edge_agent import work
from tests.edge_agent.peer import LIMIT_S, Answer, Peer, refusal

pytestmark = pytest.mark.e2e
Start = Callable[..., Executor]


@pytest.fixture
def spool(config: AgentConfig) -> Spool:
    spool = Spool(config.state_dir / "spool")
    spool.open()
    return spool


@pytest.fixture
def start(config: AgentConfig, spool: Spool) -> Iterator[Start]:
    """Start an executor, as a daemon does that has joined; all are stopped at the end."""
    started: list[Executor] = []

    def start(join: bool = True) -> Executor:
        blobs = BlobCache(config.state_dir / "blobs", config.blob_cache_bytes)
        blobs.open()
        executor = Executor(config, spool, blobs)
        started.append(executor)
        executor.start()
        if join:
            executor.joined("token")
        return executor

    yield start
    for executor in started:
        executor.stop()


def eventually(predicate: Callable[[], object]) -> None:
    """Look at what another thread or process changes without telling."""
    pause = threading.Event()
    for _ in range(int(LIMIT_S / 0.02)):
        if predicate():
            return
        pause.wait(0.02)
    raise AssertionError("it never came about")


def workers() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie, too
            if "edge_agent.worker" in " ".join(child.cmdline()):
                found.append(child)
    return found


def meta_of(peer: Peer, item: str, tmp_path: Path) -> dict[str, object]:
    path = tmp_path / "came"
    path.write_bytes(peer.results[item])
    return envelope.read_meta(path)


def test_an_item_is_trained_sent_and_forgotten(
    peer: Peer, start: Start, spool: Spool, tmp_path: Path
) -> None:
    executor = start()
    item = work.item(peer.blob)
    executor.accept(item)
    executor.accept(item)
    assert executor.holding() == [item.id]
    peer.wait(lambda: item.id in peer.results)
    eventually(lambda: executor.holding() == [] and executor.progress() == {})
    assert spool.items() == []
    meta = meta_of(peer, item.id, tmp_path)
    assert meta["item"] == item.id
    assert meta["error"] is None
    assert len(peer.requests("PUT")) == 1
    assert peer.requests("PUT")[0].headers["Authorization"] == "Bearer token"


def test_a_second_item_downloads_only_what_is_new_and_uses_the_same_worker(
    peer: Peer, start: Start, tmp_path: Path
) -> None:
    executor = start()
    executor.serve_run("r-1")
    first = work.item(peer.blob, "i1")
    executor.accept(first)
    peer.wait(lambda: "i1" in peer.results)
    (worker,) = workers()
    executor.accept(work.item(peer.blob, "i2", round=2))
    peer.wait(lambda: "i2" in peer.results)
    assert workers() == [worker]
    assert len(peer.requests("GET")) == 3
    timeline = meta_of(peer, "i2", tmp_path)["timeline"]
    assert isinstance(timeline, dict)
    assert timeline["bytes_down"] == 0
    executor.serve_run("r-1")
    executor.serve_run(None)
    eventually(lambda: workers() == [])
    eventually(lambda: executor.workers() == [])


def test_another_run_gets_another_worker(peer: Peer, start: Start) -> None:
    executor = start()
    assert executor.workers() == []
    executor.accept(work.item(peer.blob, "i1"))
    peer.wait(lambda: "i1" in peer.results)
    (worker,) = workers()
    assert executor.workers() == [("r-1", worker.pid)]
    executor.accept(work.item(peer.blob, "i2", run="r-2"))
    peer.wait(lambda: "i2" in peer.results)
    (other,) = workers()
    assert other.pid != worker.pid
    assert executor.workers() == [("r-2", other.pid)]


def test_a_killed_worker_is_an_error_reply_and_the_next_item_works(
    peer: Peer, start: Start, config: AgentConfig, tmp_path: Path
) -> None:
    executor = start()
    executor.accept(work.long_item(peer.blob, "i1"))
    eventually(executor.progress)
    (worker,) = workers()
    half = config.state_dir / "spool" / ".half.result.x.part"
    half.write_bytes(b"FBR")
    os.kill(worker.pid, signal.SIGKILL)
    peer.wait(lambda: "i1" in peer.results)
    assert executor.workers() == []
    meta = meta_of(peer, "i1", tmp_path)
    assert meta["error"] == "the worker was killed (signal 9), perhaps because memory ran out"
    assert meta["records"] == []
    executor.accept(work.item(peer.blob, "i2"))
    peer.wait(lambda: "i2" in peer.results)
    assert meta_of(peer, "i2", tmp_path)["error"] is None
    assert not half.exists()


def test_a_worker_interpreter_that_has_gone_is_an_error_reply(
    peer: Peer, config: AgentConfig, spool: Spool, tmp_path: Path
) -> None:
    blobs = BlobCache(config.state_dir / "blobs", 1 << 20)
    blobs.open()
    executor = Executor(replace(config, worker_python="/no/python"), spool, blobs)
    executor.start()
    executor.joined("token")
    try:
        executor.accept(work.item(peer.blob, "i1"))
        peer.wait(lambda: "i1" in peer.results)
    finally:
        executor.stop()
    assert "/no/python" in str(meta_of(peer, "i1", tmp_path)["error"])


def test_wrong_bytes_are_an_error_reply(peer: Peer, start: Start, tmp_path: Path) -> None:
    item = work.item(peer.blob, "i1")
    for sha256 in peer.blobs:
        peer.blobs[sha256] = b"wrong"
    start().accept(item)
    peer.wait(lambda: "i1" in peer.results)
    assert "other bytes than its hash says" in str(meta_of(peer, "i1", tmp_path)["error"])


def test_a_cut_download_is_no_failure(peer: Peer, start: Start) -> None:
    executor = start()
    item = work.item(peer.blob, "i1")
    peer.cut_after = [100]
    executor.accept(item)
    peer.wait(lambda: peer.requests("GET"))
    eventually(lambda: executor.holding() == [])
    assert peer.results == {}
    executor.accept(item)
    peer.wait(lambda: "i1" in peer.results)
    assert peer.requests("GET")[1].headers["Range"] == "bytes=100-"


def test_a_result_survives_a_restart_and_is_sent_first(
    peer: Peer, start: Start, spool: Spool, tmp_path: Path
) -> None:
    peer.instead["PUT"] = [Answer(500, b"down")] * 1000
    executor = start()
    executor.accept(work.item(peer.blob, "i1"))
    peer.wait(lambda: len(peer.requests("PUT")) >= 2)
    executor.stop()
    assert spool.items() == ["i1"]
    kept = spool.path("i1").read_bytes()
    peer.instead.clear()
    again = start()
    peer.wait(lambda: "i1" in peer.results)
    assert peer.results["i1"] == kept
    eventually(lambda: again.holding() == [] and spool.items() == [])


def test_a_result_waits_until_the_coordinator_is_back(
    peer: Peer, start: Start, spool: Spool
) -> None:
    peer.hold["PUT"] = threading.Event()
    executor = start()
    executor.accept(work.item(peer.blob, "i1"))
    peer.wait(lambda: peer.requests("PUT"))
    peer.stop()
    peer.hold["PUT"].set()
    peer.results.clear()
    assert executor.holding() == ["i1"]
    back = Peer(port=peer.port)
    try:
        back.wait(lambda: "i1" in back.results)
        eventually(lambda: spool.items() == [])
    finally:
        back.stop()


def test_a_result_outlives_a_credential_that_has_become_void(
    peer: Peer, start: Start, spool: Spool
) -> None:
    peer.instead["PUT"] = [refusal(401, "NotAdmitted", "it has to join again")] * 2
    executor = start()
    executor.accept(work.item(peer.blob, "i1"))
    peer.wait(lambda: len(peer.requests("PUT")) >= 1)
    executor.joined("another-token")
    peer.wait(lambda: "i1" in peer.results)
    assert peer.requests("PUT")[-1].headers["Authorization"] == "Bearer another-token"
    eventually(lambda: spool.items() == [])


def test_a_refused_result_is_dropped(peer: Peer, start: Start, spool: Spool) -> None:
    peer.instead["PUT"] = [refusal(403, "Refused", "its round has closed")]
    executor = start()
    executor.accept(work.item(peer.blob, "i1"))
    peer.wait(lambda: peer.requests("PUT"))
    eventually(lambda: executor.holding() == [] and spool.items() == [])
    assert len(peer.requests("PUT")) == 1


def test_what_an_update_left_out_stays_only_if_somebody_took_the_update(
    peer: Peer, start: Start, config: AgentConfig
) -> None:
    folder = config.state_dir / "residuals"
    executor = start()
    executor.accept(work.item(peer.blob, "r-1.000001.0", codec="small"))
    peer.wait(lambda: "r-1.000001.0" in peer.results)
    eventually(lambda: executor.holding() == [])
    # The coordinator calls what it has got done with; the node has nothing left to drop.
    executor.drop(["r-1.000001.0"])
    assert [path.name for path in folder.iterdir()] == ["r-1.000001.0.residual"]
    peer.instead["PUT"] = [refusal(403, "Refused", "its round has closed")]
    executor.accept(work.item(peer.blob, "r-1.000002.0", codec="small"))
    peer.wait(lambda: len(peer.requests("PUT")) == 2)
    eventually(lambda: executor.holding() == [])
    assert [path.name for path in folder.iterdir()] == ["r-1.000001.0.residual"]


@pytest.mark.parametrize("taken", [True, False])
def test_whether_a_former_life_s_update_was_taken_is_asked_even_if_it_is_wanted_no_more(
    peer: Peer, start: Start, config: AgentConfig, spool: Spool, taken: bool
) -> None:
    item = "r-1.000001.0"
    peer.instead["PUT"] = [Answer(500, b"down")] * 1000
    killed = start()
    killed.accept(work.item(peer.blob, item, codec="small"))
    peer.wait(lambda: peer.requests("PUT"))
    killed.stop()
    assert spool.items() == [item]
    peer.instead["PUT"] = [] if taken else [refusal(403, "Refused", "its round has closed")]
    executor = start(join=False)
    executor.drop([item])
    executor.joined("token")
    eventually(lambda: executor.holding() == [] and spool.items() == [])
    left = [path.name for path in (config.state_dir / "residuals").iterdir()]
    assert left == ([f"{item}.residual"] if taken else [])


def test_a_result_that_was_spooled_and_is_wanted_no_more(
    peer: Peer, start: Start, spool: Spool
) -> None:
    spool.write_failure("old", "q", "x", {})
    peer.instead["PUT"] = [Answer(500, b"down")] * 1000
    executor = start()
    peer.wait(lambda: len(peer.requests("PUT")) >= 2)
    assert executor.holding() == ["old"]
    executor.drop(["old", "never-heard-of"])
    eventually(lambda: executor.holding() == [] and spool.items() == [])
    peer.instead.clear()
    executor.accept(work.item(peer.blob, "i1"))
    peer.wait(lambda: "i1" in peer.results)


def test_a_spooled_file_that_vanishes_does_not_stop_the_node(
    peer: Peer, start: Start, spool: Spool
) -> None:
    spool.write_failure("old", "q", "x", {})
    peer.instead["PUT"] = [Answer(500, b"down")] * 1000
    executor = start()
    peer.wait(lambda: peer.requests("PUT"))
    spool.remove("old")
    eventually(lambda: executor.holding() == [])
    peer.instead.clear()
    executor.accept(work.item(peer.blob, "i1"))
    peer.wait(lambda: "i1" in peer.results)


def test_nor_does_a_fresh_one_that_vanishes(peer: Peer, start: Start, spool: Spool) -> None:
    peer.instead["PUT"] = [Answer(500, b"down")] * 1000
    executor = start()
    executor.accept(work.item(peer.blob, "i1"))
    peer.wait(lambda: peer.requests("PUT"))
    spool.remove("i1")
    eventually(lambda: executor.holding() == [])
    peer.instead.clear()
    executor.accept(work.item(peer.blob, "i2"))
    peer.wait(lambda: "i2" in peer.results)


def test_dropped_while_training_and_while_queued(peer: Peer, start: Start, spool: Spool) -> None:
    executor = start()
    executor.accept(work.long_item(peer.blob, "i1"))
    eventually(executor.progress)
    (worker,) = workers()
    executor.accept(work.long_item(peer.blob, "i2"))
    executor.accept(work.item(peer.blob, "i3"))
    assert executor.holding() == ["i1", "i2", "i3"]
    executor.drop(["i2", "i1"])
    peer.wait(lambda: "i3" in peer.results)
    assert list(peer.results) == ["i3"]
    assert workers() == [worker]
    eventually(lambda: executor.holding() == [])
    assert spool.items() == []


def test_a_stop_does_not_wait_for_training(peer: Peer, start: Start, spool: Spool) -> None:
    executor = start()
    executor.accept(work.long_item(peer.blob, "i1"))
    eventually(executor.progress)
    executor.stop()
    assert workers() == []
    assert peer.results == {}
    assert spool.items() == []


@pytest.mark.parametrize("request_of", ["GET", "PUT"])
def test_a_stop_breaks_off_a_transfer(
    peer: Peer, start: Start, spool: Spool, request_of: str
) -> None:
    peer.hold[request_of] = threading.Event()
    executor = start()
    executor.accept(work.item(peer.blob, "i1"))
    peer.wait(lambda: peer.requests(request_of))
    stopper = threading.Thread(target=executor.stop)
    stopper.start()
    stopper.join(LIMIT_S / 2)
    assert not stopper.is_alive()
    assert spool.items() == (["i1"] if request_of == "PUT" else [])


def test_a_disk_that_takes_nothing_does_not_stop_the_node(
    peer: Peer, start: Start, config: AgentConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.executor.DISK_PAUSE_S", 0.05)
    executor = start()
    folder = config.state_dir / "spool"
    folder.rename(config.state_dir / "away")
    executor.accept(work.item(peer.blob, "i1"))
    eventually(lambda: executor.progress() or not (config.state_dir / "spool").exists())
    eventually(lambda: "i1" not in executor._holding)
    (config.state_dir / "away").rename(folder)
    executor.accept(work.item(peer.blob, "i1"))
    peer.wait(lambda: "i1" in peer.results)


def test_a_blob_reference_in_every_place_is_fetched(peer: Peer, start: Start) -> None:
    unused: BlobRef = peer.blob(b"app")
    item = work.item(peer.blob, "i1")
    item.app.bundle = unused
    item.records.append(Record("more", "config", values={}))
    start().accept(item)
    peer.wait(lambda: "i1" in peer.results)
    assert {s.path.rpartition("/")[2] for s in peer.requests("GET")} == set(peer.blobs)
