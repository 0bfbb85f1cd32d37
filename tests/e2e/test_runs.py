"""Runs from submission to result, on real processes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import psutil
import pytest

from fedbed.client import Client
from fedbed.data import load
from fedbed.errors import ExperimentError, NotFound, RunFailed
from fedbed.experiment.strategies import strategy_names
from fedbed.tasks import create
from fedbed.testbed import LocalTestbed
from tests.e2e.bench import (
    LONG_ROUNDS,
    await_end,
    await_training,
    result_of,
    submit,
)

pytestmark = pytest.mark.e2e


def test_a_run_leaves_results_that_its_model_confirms(client: Client, tmp_path: Path) -> None:
    run_id = submit(client, twin=True)
    result = result_of(client, run_id, tmp_path)

    wanted = {"task", "rounds", "final", "gap", "bytes_up", "bytes_down", "wall_s", "verdict"}
    assert wanted <= set(result)
    assert result["rounds"] == len(result["history"]) == 3
    assert result["verdict"] == {"status": "clean", "reasons": []}
    assert result["gap"] == pytest.approx(
        result["final"]["centralised"] - result["final"]["federated"], abs=1e-6
    )
    assert result["bytes_up"] == sum(r["bytes_up"] for r in result["history"]) > 3 * 2 * 20_000
    assert result["bytes_down"] == sum(r["bytes_down"] for r in result["history"]) > 0

    # The accuracy in the result is that of the model beside it.
    with np.load(tmp_path / run_id / "model.npz") as model:
        trainer = create("mnist_softmax")
        trainer.load(dict(model))
    test = load("synthetic-digits", 2000, 500).test
    assert trainer.evaluate(test)["accuracy"] == result["final"]["federated"]
    assert result["final"]["federated"] > 0.6
    for side in ("federated", "centralised"):
        matrix = np.array(result["confusion"][side])
        assert matrix.sum() == 500
        assert np.trace(matrix) / 500 == pytest.approx(result["final"][side])

    rows = list(csv.DictReader((tmp_path / run_id / "metrics.csv").open()))
    federated = [float(r["accuracy"]) for r in rows if r["series"] == "federated"]
    assert federated[-1] == result["final"]["federated"]
    assert "<html" in (tmp_path / run_id / "report.html").read_text()


def test_same_seed_same_bits_other_seed_other_bits(client: Client, tmp_path: Path) -> None:
    first, again, other = (submit(client, seed=seed) for seed in (1, 1, 2))
    hashes = [result_of(client, r, tmp_path)["model_sha256"] for r in (first, again, other)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_lossy_profiles_save_bytes_and_learn_as_well(client: Client, tmp_path: Path) -> None:
    exact = result_of(client, submit(client), tmp_path)
    for up, down in [("bf16", "exact"), ("int8", "bf16"), ("exact", "int8"), ("small", "int8")]:
        settings = (f"codec.up={up}", f"codec.down={down}")
        lossy = result_of(client, submit(client, *settings), tmp_path)
        assert lossy["model_sha256"] != exact["model_sha256"]
        assert lossy["codec"] == {"up": up, "down": down}
        # In three rounds `small` has sent the largest parts only: the rest comes later.
        within = 0.12 if up == "small" else 0.03
        assert lossy["final"]["federated"] == pytest.approx(exact["final"]["federated"], abs=within)
        for way, profile in (("up", up), ("down", down)):
            most = 1.1 if profile == "exact" else 0.9
            assert lossy[f"bytes_{way}"] < most * exact[f"bytes_{way}"]
    again = result_of(client, submit(client, *settings), tmp_path)
    assert again["model_sha256"] == lossy["model_sha256"]


def test_shipped_samples_train_the_same_model_as_shared_ones(
    client: Client, tmp_path: Path
) -> None:
    shared = result_of(client, submit(client), tmp_path)
    shipped = result_of(client, submit(client, "data.delivery=shipped"), tmp_path)
    assert shipped["model_sha256"] == shared["model_sha256"]
    assert shipped["bytes_down"] > shared["bytes_down"] + 100_000


def test_evaluation_on_the_nodes_agrees_with_the_server(client: Client, tmp_path: Path) -> None:
    nodes = result_of(client, submit(client, "federation.evaluate=nodes"), tmp_path)
    server = result_of(client, submit(client, "federation.evaluate=server"), tmp_path)
    assert nodes["model_sha256"] == server["model_sha256"]
    assert nodes["final"]["federated"] == pytest.approx(server["final"]["federated"])
    assert nodes["confusion"] == server["confusion"]
    tests = nodes["history"][-1]["tests"]
    assert [row["partition"] for row in tests] == [0, 1]
    accuracies = [row["metrics"]["accuracy"] for row in tests]
    assert min(accuracies) <= nodes["final"]["federated"] <= max(accuracies)


def test_nodes_may_bring_their_own_data(tmp_path: Path) -> None:
    data = load("synthetic-digits", 600, 100)
    own = tmp_path / "own.npz"
    np.savez(own, x=data.train.x, y=data.train.y, x_test=data.test.x, y_test=data.test.y)
    with LocalTestbed(nodes=0) as testbed, Client(testbed.url) as client:
        for name in ("node-1", "node-2"):
            testbed.start_node(name, "--data", str(own))
        settings = (
            "data.delivery=node",
            "data.train_samples=null",
            "data.test_samples=null",
            "centralised.enabled=false",
            "federation.evaluate=nodes",
        )
        result = result_of(client, submit(client, *settings), tmp_path)
    assert result["final"]["federated"] > 0.5
    assert [n["metrics"]["num-examples"] for n in result["history"][0]["nodes"]] == [600, 600]


@pytest.mark.parametrize("strategy", strategy_names())
def test_every_strategy_runs_by_name(strategy: str, shared_client: Client, tmp_path: Path) -> None:
    settings = [f"federation.strategy.name={strategy}", "federation.rounds=2", "federation.nodes=4"]
    if strategy.startswith("Differential"):
        # Such a limit bites, so nodes that clip are seen to do so.
        limit = "clipping_norm=0.5" if "Fixed" in strategy else "initial_clipping_norm=0.5"
        settings += ["federation.strategy.args.noise_multiplier=0.001"]
        settings += [f"federation.strategy.args.{limit}"]
    result = result_of(shared_client, submit(shared_client, *settings), tmp_path)
    assert result["rounds"] == 2
    assert result["verdict"]["reasons"] == []
    assert 0.1 < result["final"]["federated"] <= 1.0
    clipped = [n["metrics"].get("norm_bit") for e in result["history"] for n in e["nodes"]]
    assert (1 in clipped) == ("ClientSide" in strategy)


def test_weights_by_validation_loss(shared_client: Client, tmp_path: Path) -> None:
    settings = [
        "federation.nodes=4",
        "data.validation_samples=200",
        "federation.strategy.name=AverageOfRounds",
        "federation.strategy.args.strategy.name=Reweighted",
        "federation.strategy.args.strategy.args.by=validation-loss",
    ]
    result = result_of(shared_client, submit(shared_client, *settings, twin=True), tmp_path)
    assert result["verdict"]["reasons"] == []
    assert result["final"]["federated"] > 0.6
    assert sum(result["partition"]["train_sizes"]) == 1800
    assert [entry["samples"] for entry in result["twin"]] == [1800] * 3


def test_a_stopped_run_keeps_what_its_rounds_learned(client: Client, tmp_path: Path) -> None:
    run_id = submit(client, "federation.rounds=100")
    await_training(client, run_id, 2)
    client.stop(run_id)
    run = await_end(client, run_id)
    assert run["state"] == "stopped"
    client.download(run_id, tmp_path)
    assert {"result.json", "report.html", "model.npz"} <= {p.name for p in tmp_path.iterdir()}
    with pytest.raises(RunFailed, match="has ended already"):
        client.stop(run_id)


def test_a_run_without_its_nodes_says_which_it_lacks(client: Client) -> None:
    run_id = submit(client, "federation.nodes=3", "federation.start_timeout=1s")
    run = await_end(client, run_id)
    assert run["state"] == "failed"
    assert run["error_code"] == "NodesMissing"
    assert "needs 3 nodes; ready: node-1, node-2" in run["error"]


def test_runs_queue_and_do_not_share_nodes(client: Client, tmp_path: Path) -> None:
    first = submit(client, *LONG_ROUNDS)
    second = submit(client)
    await_training(client, first, 1)
    waiting = client.run(second)
    assert waiting["state"] == "queued"
    assert f"is busy with run {first}" in waiting["wait"]
    assert result_of(client, second, tmp_path)["rounds"] == 3
    assert client.run(first)["state"] == "finished"


def test_bad_submissions_are_refused_in_one_line(client: Client) -> None:
    with pytest.raises(ExperimentError, match="did you mean 'rounds'"):
        client.submit(name="x", experiment="name: x\ntask: mnist_mlp\nfederation: {round: 3}")
    with pytest.raises(NotFound, match="no run 'nothing'"):
        client.run("nothing")


def test_workers_give_their_memory_back_after_the_run(
    testbed: LocalTestbed, client: Client, tmp_path: Path
) -> None:
    result_of(client, submit(client), tmp_path)

    agents = [psutil.Process(p.pid) for p in testbed.processes[1:]]
    workers = [child for agent in agents for child in agent.children()]
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive


def test_runs_that_differ_in_their_nodes_alone_share_a_twin(tmp_path: Path) -> None:
    with LocalTestbed(2, twins=tmp_path / "kept") as testbed, testbed.client() as client:
        one = result_of(client, submit(client, "federation.nodes=1", seed=5, twin=True), tmp_path)
    assert one["twin_reused_of"] is None
    assert [path.suffix for path in (tmp_path / "kept").iterdir()] == [".twin"]
    with LocalTestbed(2, twins=tmp_path / "kept") as testbed, testbed.client() as client:
        two = result_of(client, submit(client, seed=5, twin=True), tmp_path)
        other = result_of(client, submit(client, seed=6, twin=True), tmp_path)
    assert two["twin_reused_of"] == one["id"]
    assert two["twin"] == one["twin"]
    assert two["final"]["centralised"] == one["final"]["centralised"]
    assert other["twin_reused_of"] is None
    assert one["id"] in (tmp_path / two["id"] / "report.html").read_text()
