"""Stub nodes on a real coordinator: what the benchmark of a thousand nodes rests on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import stubs
from fedbed import bundle
from fedbed.client import Client
from fedbed.testbed import LocalTestbed
from tests.e2e.bench import await_end, nothing_left, wait_for

APP = Path(__file__).parents[2] / "benchmarks" / "apps" / "echo"
NODES = 50
SERVER_APP = """
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    model = ArrayRecord({"weight": Array(np.arange(1000, dtype=np.float32))})
    result = FedAvg(fraction_evaluate=0.0).start(grid=grid, initial_arrays=model, num_rounds=2)
    np.save("average.npy", result.arrays["weight"].numpy())
"""


@pytest.mark.e2e
def test_fifty_stubs_are_all_counted_in_the_average(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    (folder / "counted").mkdir(parents=True)
    (folder / "counted" / "__init__.py").touch()
    (folder / "counted" / "server_app.py").write_text(SERVER_APP)
    (folder / "pyproject.toml").write_text((APP / "pyproject.toml").read_text())
    with nothing_left(), LocalTestbed(nodes=0) as testbed, Client(testbed.url) as client:
        with stubs.running(testbed.url, NODES, tmp_path / "stubs.log"):
            wait_for(
                client,
                lambda picture: [n["state"] for n in picture["nodes"]] == ["ready"] * NODES,
                "all stubs",
            )
            run_id = client.submit_app(
                bundle.pack(folder),
                name="counted",
                serverapp="counted.server_app:app",
                clientapp="counted.client_app:app",
                run_config={},
                nodes=NODES,
            )
            run = await_end(client, run_id)
        assert run["state"] == "finished", run["error"]
        assert [entry["participants"] for entry in run["history"]] == [NODES, NODES]
        client.download(run_id, tmp_path / "results")
    # Half of the stubs send the model back, the others half of it.
    average = np.load(tmp_path / "results" / "average.npy")
    expected = np.arange(1000, dtype=np.float32) * np.float32(0.75**2)
    np.testing.assert_allclose(average, expected, rtol=1e-5)
    assert json.loads((tmp_path / "results" / "result.json").read_text())["kind"] == "app"
    assert (tmp_path / "stubs.log").read_text() == ""
