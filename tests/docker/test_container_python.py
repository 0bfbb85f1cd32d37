"""The worker in a container, its agent outside: docker/container-python as `worker_python`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_agent import profile
from edge_agent.config import AgentConfig
from edge_agent.worker_process import WorkerDied, WorkerProcess
from fedbed.errors import RequirementMissing
from fedbed.testbed import LocalTestbed
from tests.e2e.bench import await_training, result_of, submit
from tests.images import debian, need_docker
from tests.parts import need

ROOT = Path(__file__).resolve().parents[2]
WRAPPER = ROOT / "docker" / "container-python"
LIMIT_S = 60.0


def test_shellcheck_finds_nothing() -> None:
    need(shutil.which("shellcheck") is not None, "shellcheck is not installed")
    done = subprocess.run(["shellcheck", str(WRAPPER)], capture_output=True, text=True, check=False)
    assert done.stdout == ""


def test_without_an_image_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEDBED_WORKER_IMAGE", raising=False)
    with pytest.raises(RequirementMissing, match=r"code 10: .*FEDBED_WORKER_IMAGE names no image"):
        profile.profile(str(WRAPPER))


@pytest.fixture
def image(monkeypatch: pytest.MonkeyPatch) -> str:
    need_docker()
    name = debian("amd64" if os.uname().machine == "x86_64" else "arm64")
    monkeypatch.setenv("FEDBED_WORKER_IMAGE", name)
    # A checkout has the cards of data sets beside the packages, an installed fedbed within.
    monkeypatch.setenv("FEDBED_WORKER_OPTIONS", f"--volume {ROOT}:{ROOT}:ro")
    return name


@pytest.fixture
def config(tmp_path: Path, image: str) -> Iterator[AgentConfig]:
    state = tmp_path / "state"
    state.mkdir()
    yield AgentConfig("http://127.0.0.1:1", "pi-1", state, worker_python=str(WRAPPER))
    eventually(lambda: not containers(state))


def containers(state: Path) -> list[str]:
    """The workers of a state folder."""
    command = ["docker", "ps", "--all", "--quiet", "--filter", f"label=fedbed-worker={state}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def eventually(predicate: Callable[[], object]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not predicate():
        assert time.monotonic() < limit
        time.sleep(0.1)


@pytest.mark.e2e
def test_its_packages_are_those_of_the_image(image: str) -> None:
    found = profile.profile(str(WRAPPER)).packages
    assert found["numpy"].startswith("1.")
    assert "torch" not in found


@pytest.mark.e2e
def test_an_agent_trains_in_a_container_that_ends_with_its_run(image: str, tmp_path: Path) -> None:
    state = tmp_path / "jetson"
    with LocalTestbed(nodes=0, state_dir=tmp_path) as testbed, testbed.client() as client:
        agent = testbed.start_node("jetson", "--worker-python", str(WRAPPER))
        one = ["federation.nodes=1", "federation.rounds=1", "data.train_samples=200"]
        one += ["data.test_samples=100", "data.delivery=shipped"]
        result = result_of(client, submit(client, *one), tmp_path / "runs")
        assert [r["participants"] for r in result["history"]] == [1]
        assert (state / "worker.log").stat().st_uid == os.getuid()
        eventually(lambda: not containers(state))
        await_training(client, submit(client, "federation.local_epochs=10000", *one), 1)
        eventually(lambda: len(containers(state)) == 1)
        agent.popen.kill()
        eventually(lambda: not containers(state))


@pytest.mark.e2e
def test_killing_the_worker_leaves_no_container(config: AgentConfig) -> None:
    worker = WorkerProcess(config, "r-1")
    worker.start()
    eventually(lambda: containers(config.state_dir))
    worker.kill()
    eventually(lambda: not containers(config.state_dir))
    worker.stop()


@pytest.mark.e2e
def test_a_hung_worker_goes_with_its_process_group(config: AgentConfig) -> None:
    worker = WorkerProcess(config, "r-1")
    worker.start()
    eventually(lambda: containers(config.state_dir))
    (container,) = containers(config.state_dir)
    subprocess.run(["docker", "pause", container], check=True, capture_output=True)
    os.killpg(worker.pid, signal.SIGKILL)
    eventually(lambda: not containers(config.state_dir))
    worker.stop()


@pytest.mark.e2e
def test_what_a_power_cut_has_left_is_removed(config: AgentConfig, image: str) -> None:
    label = f"--label=fedbed-worker={config.state_dir}"
    left = ["docker", "run", "--detach", label, image, "sleep", "600"]
    subprocess.run(left, check=True, capture_output=True)
    (old,) = containers(config.state_dir)
    worker = WorkerProcess(config, "r-1")
    worker.start()
    eventually(lambda: containers(config.state_dir) not in ([], [old]))
    assert old not in containers(config.state_dir)
    worker.stop()


@pytest.mark.e2e
def test_a_container_that_cannot_start_is_an_answer(
    config: AgentConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDBED_WORKER_PYTHON", "no-python")
    worker = WorkerProcess(config, "r-1")
    worker.start()
    with pytest.raises(WorkerDied, match="exit code 127"):
        worker.work({}, lambda _share: None, lambda: None, threading.Event())
    worker.stop()
