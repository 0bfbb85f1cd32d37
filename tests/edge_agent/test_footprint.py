from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from fedbed.telemetry import topics
from tests.broker import Broker, broker, until
from tests.parts import need

pytestmark = pytest.mark.e2e
HEAVY = ["flwr", "numpy", "pydantic", "torch", "yaml", "zstandard"]
LIMIT_BYTES = 30 * 1024 * 1024
IDLE_S = 3.0
ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., subprocess.Popen[bytes]]
EXPERIMENT = """
name: old-python
task: mnist_softmax
data: {dataset: synthetic-digits, train_samples: 400, test_samples: 100}
federation: {nodes: 1, rounds: 1, evaluate: server}
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        environment = dict(os.environ, PYTHONPATH=str(ROOT))
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(command, stderr=log, cwd=tmp_path, env=environment)
        started.append(process)
        return process

    yield start
    for process in reversed(started):
        process.terminate()
        process.wait(20)


@pytest.fixture
def url(start: Start, tmp_path: Path) -> str:
    ready = tmp_path / "ready"
    flags = ["--port", "0", "--ready-file", str(ready), "--state-dir", str(tmp_path / "centre")]
    centre = start(sys.executable, "-m", "coordinator", *flags)
    pause = threading.Event()
    for _ in range(1500):
        if ready.is_file():
            return ready.read_text()
        assert centre.poll() is None, (tmp_path / "log").read_text()
        pause.wait(0.02)
    raise AssertionError("the coordinator did not come up")


def join(url: str, name: str, agent: subprocess.Popen[bytes], log: Path) -> None:
    """Wait on the live picture until the node is ready."""
    version = 0
    with httpx.Client(base_url=url, timeout=30) as client:
        for _ in range(100):
            assert agent.poll() is None, log.read_text()
            picture = client.get("/api/v1/live", params={"after": version, "wait": 1}).json()
            version = picture["version"]
            if any(n["name"] == name and n["state"] == "ready" for n in picture["nodes"]):
                return
    raise AssertionError("the node did not join")


def agent_flags(url: str, tmp_path: Path) -> list[str]:
    return ["--coordinator", url, "--name", "pi-1", "--state-dir", str(tmp_path / "node")]


def test_an_idle_agent_takes_30_mb_at_most(start: Start, url: str, tmp_path: Path) -> None:
    agent = start(sys.executable, "-m", "edge_agent", *agent_flags(url, tmp_path))
    join(url, "pi-1", agent, tmp_path / "log")
    process = psutil.Process(agent.pid)
    before = process.cpu_times()
    threading.Event().wait(IDLE_S)
    after = process.cpu_times()
    spent = after.user + after.system - before.user - before.system
    assert process.memory_info().rss <= LIMIT_BYTES
    assert process.children() == []
    assert spent <= 0.05, "idle it must take next to nothing (times come in steps of 0.01 s)"
    (node,) = httpx.get(f"{url}/api/v1/nodes").json()
    assert 0 < node["agent"]["rss_bytes"] <= LIMIT_BYTES


def test_the_daemon_imports_nothing_heavy() -> None:
    code = "import sys, edge_agent.daemon, edge_agent.config; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint(HEAVY)
    assert "psutil" in loaded


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker(tmp_path_factory.mktemp("broker")) as made:
        yield made


def broker_flags(mosquitto: Broker) -> list[str]:
    flags = ["--broker", mosquitto.tls_url, "--broker-ca", str(mosquitto.ca)]
    return [*flags, "--broker-password-file", str(mosquitto.password_file)]


def settings_file(folder: Path, *flags: str) -> Path:
    """Write what flags say, each with its value, as a file of settings."""
    path = folder / "agent.yaml"
    pairs = zip(flags[::2], flags[1::2], strict=True)
    lines = [f"{flag[2:].replace('-', '_')}: {value}\n" for flag, value in pairs]
    path.write_text("".join(lines))
    return path


def test_with_a_broker_and_a_file_it_takes_30_mb_at_most_too(
    start: Start, url: str, mosquitto: Broker, tmp_path: Path
) -> None:
    file = settings_file(tmp_path, *agent_flags(url, tmp_path), *broker_flags(mosquitto))
    agent = start(sys.executable, "-m", "edge_agent", "--config", str(file))
    join(url, "pi-1", agent, tmp_path / "log")
    with mosquitto.client("operator", topics.topic("pi-1", topics.SAMPLES)) as reader:
        until(lambda: reader.messages, "what the agent says")
    assert psutil.Process(agent.pid).memory_info().rss <= LIMIT_BYTES


def test_the_daemon_runs_on_python_38(
    start: Start, url: str, mosquitto: Broker, tmp_path: Path
) -> None:
    old = os.environ.get("FEDBED_PYTHON38", "")
    need(bool(old), "FEDBED_PYTHON38 names no interpreter of Python 3.8")
    venv = tmp_path / "venv"
    subprocess.run([old, "-m", "venv", str(venv)], check=True)
    python = str(venv / "bin" / "python")
    packages = ["psutil>=5.9", "paho-mqtt>=2.0", "pyyaml>=6.0"]
    install = [python, "-m", "pip", "install", "-q", "--no-compile", *packages]
    subprocess.run(install, check=True)
    flags = [*agent_flags(url, tmp_path), "--worker-python", sys.executable]
    file = settings_file(tmp_path, *flags, *broker_flags(mosquitto))
    agent = start(python, "-m", "edge_agent", "--config", str(file))
    join(url, "pi-1", agent, tmp_path / "log")
    with mosquitto.client("operator", topics.topic("pi-1", topics.SAMPLES)) as reader:
        until(lambda: reader.messages, "what the agent says to the broker")
    (node,) = httpx.get(f"{url}/api/v1/nodes").json()
    assert node["profile"]["python"].startswith("3.8.")
    with httpx.Client(base_url=url, timeout=30) as client:
        order = {"name": "old", "experiment": EXPERIMENT, "seed": 1, "twin": False}
        answer = client.post("/api/v1/runs", json=order)
        assert answer.status_code == 200, answer.text
        run = answer.json()["id"]
        version = 0
        for _ in range(60):
            version = client.get("/api/v1/live", params={"after": version, "wait": 1}).json()[
                "version"
            ]
            found = client.get(f"/api/v1/runs/{run}").json()
            if found["state"] in ("done", "finished", "failed", "cancelled", "stopped"):
                break
        assert found["state"] in ("done", "finished"), found
    doctor = [python, "-m", "edge_agent.doctor", "--json", *flags]
    done = subprocess.run(doctor, capture_output=True, text=True, cwd=ROOT, timeout=60)
    levels = {f["check"]: f["level"] for f in json.loads(done.stdout)["findings"]}
    assert levels["python"] == levels["worker"] == levels["admission"] == "ok", done.stdout
