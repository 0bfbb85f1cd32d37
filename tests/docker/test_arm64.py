"""An agent on 64-bit Arm: a container under emulation as the processor of a Raspberry Pi 4.

It shows that it works, never how fast: emulation takes ten times as long, and more.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedbed.testbed import LocalTestbed
from tests.e2e import bench
from tests.e2e.bench import result_of, submit, wait_for
from tests.images import debian, need_arm64, need_docker

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
PROCESSOR = "cortex-a72"
LIMIT_S = 200.0
# Samples come from the coordinator: to draw them on the node would take minutes of emulation.
SETTINGS = ["federation.nodes=1", "federation.rounds=1", "federation.deadline=5m"]
SETTINGS += ["data.train_samples=400", "data.test_samples=100", "data.delivery=shipped"]
# What Debian 12's numpy finds on it; a Cortex-A72 has no atomics of ARMv8.1 (LSE).
FEATURES = """
import json
from numpy.core._multiarray_umath import __cpu_features__ as found
print(json.dumps([name for name, here in found.items() if here]))
"""


@pytest.fixture(scope="module")
def image() -> str:
    need_docker()
    need_arm64()
    return debian("arm64")


@pytest.fixture
def run(image: str) -> Iterator[list[str]]:
    """The command that runs something in such a container, which is removed in the end."""
    name = f"fedbed-test-arm64-{os.getpid()}"
    yield [
        *("docker", "run", "--rm", "--platform", "linux/arm64", "--name", name),
        *("--network", "host", "--volume", f"{ROOT}:{ROOT}:ro"),
        *("--env", f"QEMU_CPU={PROCESSOR}", "--env", f"PYTHONPATH={ROOT}"),
        image,
    ]
    subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)


def test_the_processor_is_the_one_of_a_raspberry_pi_4(run: list[str]) -> None:
    done = subprocess.run(
        [*run, "python3", "-c", FEATURES], capture_output=True, text=True, check=True, timeout=60
    )
    found = json.loads(done.stdout)
    assert "ASIMD" in found
    assert "ASIMDHP" not in found


@pytest.mark.timeout(300)
def test_an_agent_joins_from_64_bit_arm_and_trains(
    run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "LIMIT_S", LIMIT_S)
    with LocalTestbed(nodes=0, state_dir=tmp_path) as testbed, testbed.client() as client:
        command = ["python3", "-m", "edge_agent", "--coordinator", testbed.url, "--name", "pi-4"]
        log = (tmp_path / "log").open("wb")
        agent = subprocess.Popen([*run, *command, "--state-dir", "/tmp/node"], stderr=log)
        try:
            wait_for(client, lambda p: [n for n in p["nodes"] if n["state"] == "ready"], "joining")
            (node,) = client.nodes()
            assert node["profile"]["machine"] == "aarch64"
            result = result_of(client, submit(client, *SETTINGS), tmp_path / "runs")
            assert [r["participants"] for r in result["history"]] == [1]
            assert result["history"][0]["accuracy"] > 0.2
            agent.terminate()
            assert agent.wait(60) == 0
        finally:
            agent.kill()
            agent.wait()
            log.close()
