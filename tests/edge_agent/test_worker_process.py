from __future__ import annotations

import dataclasses
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from edge_agent import worker_process
from edge_agent.config import AgentConfig
from edge_agent.worker_process import WorkerDied, WorkerProcess
from fedbed.link.messages import BlobRef, Timeline, WorkItem, unparse
from tests.edge_agent import work
from tests.edge_agent.peer import Peer

pytestmark = pytest.mark.e2e


class Bench:
    """A worker with the files that a daemon would have put in place."""

    def __init__(self, config: AgentConfig, folder: Path) -> None:
        self.worker = WorkerProcess(config, "r-1")
        self._folder = folder
        self._blobs: dict[str, str] = {}
        self.progress: list[float] = []
        self.progressed = threading.Event()
        self.aborted = threading.Event()
        self.full = threading.Event()

    def store(self, data: bytes) -> BlobRef:
        ref = Peer.blob_of(data)
        path = self._folder / ref.sha256
        path.write_bytes(data)
        self._blobs[ref.sha256] = str(path)
        return ref

    def out(self, item: WorkItem) -> Path:
        return self._folder / f"{item.id}.result"

    def do(self, item: WorkItem) -> dict[str, Any]:
        def on_progress(share: float) -> None:
            self.progress.append(share)
            self.progressed.set()

        request = {
            "item": unparse(item),
            "blobs": self._blobs,
            "out": str(self.out(item)),
            "timeline": unparse(Timeline(bytes_down=5)),
        }
        return self.worker.work(request, on_progress, self.full.set, self.aborted)

    def when_training(self, action: Any) -> threading.Thread:
        def run() -> None:
            assert self.progressed.wait(30)
            action()

        thread = threading.Thread(target=run)
        thread.start()
        return thread


@pytest.fixture
def bench(config: AgentConfig, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(config, tmp_path)
    bench.worker.start()
    yield bench
    bench.worker.stop()


def sized(bench: Bench, item: WorkItem, answer: dict[str, Any]) -> bool:
    return answer["op"] == "done" and int(answer["size"]) == bench.out(item).stat().st_size


def test_it_stays_warm_over_items_and_ends_when_asked(bench: Bench) -> None:
    first, second = (work.item(bench.store, f"i{n}") for n in (1, 2))
    assert sized(bench, first, bench.do(first))
    pid = bench.worker.pid
    assert sized(bench, second, bench.do(second))
    assert bench.worker.pid == pid
    assert psutil.Process(pid).ppid() == os.getpid()
    assert not bench.worker.exited()
    cold, warm = (work.read(bench.out(i))[0]["timeline"] for i in (first, second))
    assert warm["start_s"] < cold["start_s"]
    assert cold["bytes_down"] == 5
    assert cold["peak_rss_bytes"] > 1 << 20
    assert bench.progress == sorted(bench.progress[: len(bench.progress) // 2]) * 2
    bench.worker.stop()
    assert bench.worker.exited()
    assert not psutil.pid_exists(pid)


def test_an_exception_is_a_reply_and_the_worker_goes_on(bench: Bench) -> None:
    bad = work.item(bench.store, "bad", config={"batch-size": "many"})
    answer = bench.do(bad)
    assert answer["op"] == "failed"
    assert answer["reason"].startswith("ValueError: invalid literal for int()")
    good = work.item(bench.store, "good")
    assert bench.do(good)["op"] == "done"


def test_killed_while_training(bench: Bench) -> None:
    killer = bench.when_training(lambda: os.kill(bench.worker.pid, signal.SIGKILL))
    with pytest.raises(WorkerDied, match=r"killed \(signal 9\), perhaps because memory ran out"):
        bench.do(work.long_item(bench.store))
    killer.join()
    assert bench.worker.exited()
    with pytest.raises(WorkerDied, match=r"killed \(signal 9\)"):
        bench.do(work.item(bench.store))


def test_aborted_while_training_it_stays_warm(bench: Bench) -> None:
    pid = bench.worker.pid
    thread = bench.when_training(bench.aborted.set)
    answer = bench.do(work.long_item(bench.store))
    thread.join()
    assert answer == {"op": "failed", "reason": "stopped: its round had closed"}
    bench.aborted.clear()
    item = work.item(bench.store)
    assert sized(bench, item, bench.do(item))
    assert bench.worker.pid == pid


def test_an_abort_that_comes_before_the_worker_is_up_is_not_lost(bench: Bench) -> None:
    bench.aborted.set()
    answer = bench.do(work.long_item(bench.store))
    assert answer["reason"] == "stopped: its round had closed"
    assert not bench.worker.exited()


def test_one_that_does_not_heed_the_abort_is_killed_with_its_children(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "ABORT_GRACE_S", 0.3)

    def freeze() -> None:
        os.kill(bench.worker.pid, signal.SIGSTOP)
        bench.aborted.set()

    thread = bench.when_training(freeze)
    with pytest.raises(WorkerDied, match="stopped: its round had closed"):
        bench.do(work.long_item(bench.store))
    thread.join()
    assert bench.worker.exited()


def stand_in(tmp_path: Path, body: str) -> str:
    """An interpreter that runs `body` and then the worker."""
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\nimport os, subprocess, sys\n{body}\n")
    program.chmod(0o755)
    return str(program)


def worker_of(config: AgentConfig, python: str, folder: Path) -> Bench:
    bench = Bench(dataclasses.replace(config, worker_python=python), folder)
    bench.worker.start()
    return bench


def test_a_crash_is_told_with_the_last_words(config: AgentConfig, tmp_path: Path) -> None:
    python = stand_in(tmp_path, "sys.stderr.write('no module\\nnamed torch\\n\\n'); sys.exit(3)")
    bench = worker_of(config, python, tmp_path)
    with pytest.raises(WorkerDied, match=r"^the worker ended with exit code 3: named torch$"):
        bench.do(work.item(bench.store))
    bench.worker.stop()


def test_stray_lines_at_the_start_do_not_disturb(config: AgentConfig, tmp_path: Path) -> None:
    run = "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    lines = "os.write(1, b'hello\\n5\\n{}\\n\\xff\\n')"
    bench = worker_of(config, stand_in(tmp_path, f"{lines}\n{run}"), tmp_path)
    item = work.item(bench.store)
    assert sized(bench, item, bench.do(item))
    bench.worker.stop()


def test_a_child_that_outlives_the_worker_does_not_hide_its_death(
    config: AgentConfig, tmp_path: Path
) -> None:
    # It inherits the pipe of the answers, and reads until we close the other end.
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    keeper = os.open(fifo, os.O_RDWR)
    body = f"subprocess.Popen(['cat', {str(fifo)!r}])\nos._exit(4)"
    bench = worker_of(config, stand_in(tmp_path, body), tmp_path)
    try:
        with pytest.raises(WorkerDied, match="exit code 4"):
            bench.do(work.item(bench.store))
    finally:
        os.close(keeper)
        bench.worker.stop()


def test_an_interpreter_that_does_not_exist(config: AgentConfig, tmp_path: Path) -> None:
    bench = Bench(dataclasses.replace(config, worker_python="/no/python"), tmp_path)
    with pytest.raises(FileNotFoundError, match="/no/python"):
        bench.worker.start()
    assert bench.worker.pid == 0
    with pytest.raises(WorkerDied, match="was never started"):
        bench.do(work.item(bench.store))
    bench.worker.stop()


def test_it_is_offered_our_packages_and_no_others(config: AgentConfig, tmp_path: Path) -> None:
    run = "open(sys.argv[3] + '/seen', 'w').write(os.environ['PYTHONPATH'])"
    bench = worker_of(config, stand_in(tmp_path, run), tmp_path)
    bench.worker.stop()
    first = (config.state_dir / "seen").read_text().split(os.pathsep)[0]
    assert sorted(p.name for p in Path(first).iterdir()) == ["edge_agent", "fedbed"]


def test_threads_are_those_of_the_configuration(config: AgentConfig, tmp_path: Path) -> None:
    body = "open(sys.argv[3] + '/seen', 'w').write(os.environ['OMP_NUM_THREADS'])"
    config = dataclasses.replace(config, threads=3)
    bench = worker_of(config, stand_in(tmp_path, body), tmp_path)
    bench.worker.stop()
    assert (config.state_dir / "seen").read_text() == "3"


def test_it_inherits_no_secrets(
    config: AgentConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FEDBED_ENROL_TOKEN", "FEDBED_BROKER_PASSWORD"):
        monkeypatch.setenv(name, "s3cret")
    worker = WorkerProcess(config, "r-1")
    worker.start()
    try:
        assert "s3cret" not in psutil.Process(worker.pid).environ().values()
    finally:
        worker.kill()
        worker.stop()


def test_stopping_does_not_take_long(bench: Bench) -> None:
    bench.do(work.item(bench.store))
    began = time.monotonic()
    bench.worker.stop()
    assert time.monotonic() - began < worker_process.STOP_GRACE_S - 0.5
