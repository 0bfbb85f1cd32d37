from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fedbed.cli.preflight import needs
from fedbed.experiment import loads, override

MB = 1000 * 1000
OWN = ["centralised.enabled=false", "federation.evaluate=nodes"]
"""What goes with data of the nodes' own."""
MNIST = "name: x\ntask: mnist_cnn\n"
CLOUDS = "name: x\ntask: clouds_unet\ndata: {dataset: sparcs_cloud}\n"


def of(text: str, *settings: str) -> dict[str, object]:
    return needs(override(loads(text, "test"), list(settings)))


def memory(text: str, *settings: str) -> int:
    found = of(text, *settings)["memory_bytes"]
    assert isinstance(found, int)
    return found


def test_what_a_run_takes_of_a_node() -> None:
    found = of(MNIST)
    assert found["packages"] == ["numpy", "torch"]
    assert found["dataset"] == "mnist"
    # 47 MB of samples, and a model of 6.7 MB.
    assert 390 * MB < memory(MNIST) < 430 * MB


@pytest.mark.parametrize(
    ("settings", "dataset"),
    [
        (["data.dataset=synthetic-digits"], ""),
        (["data.delivery=shipped"], ""),
        (["data.delivery=node", *OWN], ""),
        (["data.dataset=auto"], "mnist"),
    ],
)
def test_which_data_set_must_lie_there(settings: list[str], dataset: str) -> None:
    assert of(MNIST, *settings)["dataset"] == dataset


def test_the_estimate_follows_the_experiment() -> None:
    assert memory(MNIST, "data.delivery=shipped") < memory(MNIST)
    assert memory(MNIST, "federation.evaluate=nodes") > memory(MNIST) + 200 * MB
    assert memory(MNIST, "optimizer.name=adamw") > memory(MNIST)
    assert memory(CLOUDS, "data.image_size=128") < memory(CLOUDS)
    assert memory(CLOUDS, "task.args={width: 32}") > memory(CLOUDS)


def test_a_batch_is_no_larger_than_a_node_has_samples() -> None:
    whole = memory(MNIST, "federation.batch_size=all", "data.train_samples=800")
    assert whole == memory(MNIST, "federation.batch_size=200", "data.train_samples=800")
    assert memory(MNIST, "data.delivery=node", *OWN, "federation.batch_size=all") < 2000 * MB


def test_it_takes_a_coordinator(tmp_path: Path) -> None:
    file = tmp_path / "exp.yaml"
    file.write_text("name: x\ntask: mnist_softmax\ndata: {dataset: synthetic-digits}\n")
    command = [sys.executable, "-m", "fedbed", "run", str(file), "--preflight"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 2
    assert "name the coordinator" in done.stderr
