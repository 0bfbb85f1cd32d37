"""Strategies, Flower's and ours, built from names and arguments."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import pytest

from fedbed.errors import ExperimentError
from fedbed.experiment import from_data
from fedbed.experiment.strategies import build, defaults, strategy_names

DP = "DifferentialPrivacyServerSideFixedClipping"
DP_ARGS = {"noise_multiplier": 1, "clipping_norm": 2.0}


def _defaults(**federation: Any) -> dict[str, object]:
    data = {"name": "x", "task": "mnist_mlp", "federation": federation}
    return defaults(from_data(data, "x"))


def test_names() -> None:
    names = strategy_names()
    assert {"FedAvg", "FedProx", "FedAdam", "Krum", DP} <= set(names)
    assert {"AverageOfRounds", "FedAsync", "FedBuff", "PooledStatistics", "Reweighted"} <= {*names}
    assert not {"Strategy", "Result"} & set(names)
    assert names == sorted(names)


@pytest.mark.parametrize("name", strategy_names())
def test_every_strategy_can_be_built(name: str, caplog: pytest.LogCaptureFixture) -> None:
    args: dict[str, object] = {}
    if name.startswith("DifferentialPrivacy"):
        args = {"noise_multiplier": 0.2}
        if "Fixed" in name:
            args["clipping_norm"] = 1.0
    logging.getLogger("flwr").addHandler(caplog.handler)
    strategy = build(name, args, _defaults(nodes=50))
    logging.getLogger("flwr").removeHandler(caplog.handler)
    assert type(strategy).__name__ == name
    assert not caplog.records


def test_defaults_fill_only_what_is_left_out() -> None:
    given = _defaults(nodes=10, fraction=0.5, min_nodes=6, evaluate="nodes")
    strategy: Any = build("FedAvg", {"fraction_train": 0.25}, given)
    assert strategy.fraction_train == 0.25
    assert strategy.fraction_evaluate == 1.0
    assert strategy.min_available_nodes == 1
    qfed: Any = build("QFedAvg", {}, given)
    assert qfed.client_learning_rate == 0.05
    private: Any = build(DP, DP_ARGS, given)
    assert private.num_sampled_clients == 5
    assert private.strategy.fraction_train == 0.5


@pytest.mark.parametrize(
    "inner", ["FedProx", {"name": "FedProx"}, {"name": "FedProx", "args": {"proximal_mu": 1}}]
)
def test_wrappers_take_a_strategy(inner: Any) -> None:
    wrapped: Any = build(DP, {**DP_ARGS, "strategy": inner}, _defaults())
    assert type(wrapped.strategy).__name__ == "FedProx"


@pytest.mark.parametrize(
    ("name", "args", "wanted"),
    [
        (
            "fedavg",
            {},
            "unknown strategy 'fedavg' (did you mean 'FedAvg'?); allowed: Average",
        ),
        ("Strategy", {}, "unknown strategy 'Strategy'"),
        ("FedProx", {"mu": 1}, "FedProx has no argument 'mu'"),
        ("FedProx", {"proximal_m": 1}, "argument 'proximal_m' (did you mean 'proximal_mu'?)"),
        ("FedProx", {"proximal_mu": "1"}, "FedProx: proximal_mu: given '1'; allowed: a number"),
        ("FedProx", {"proximal_mu": True}, "given True; allowed: a number"),
        ("FedProx", {"proximal_mu": float("nan")}, "given nan; allowed: a number"),
        ("FedAvg", {"min_train_nodes": 2.0}, "given 2.0; allowed: a whole number"),
        ("FedAvg", {"train_metrics_aggr_fn": "x"}, "is Python, not settable from a file"),
        (DP, {**DP_ARGS, "accountant": None}, "'accountant' is Python, not settable from a file"),
        (DP, {}, f"{DP} needs argument 'noise_multiplier': a number"),
        (DP, {**DP_ARGS, "strategy": 3}, "strategy takes the name of a strategy, or {name, args}"),
        (DP, {**DP_ARGS, "strategy": {"name": "FedAvg", "arg": 1}}, "unknown key 'arg'"),
        (DP, {**DP_ARGS, "strategy": {"name": "FedAvg", "args": 1}}, "args must be a mapping"),
        (DP, {**DP_ARGS, "strategy": "FedAv"}, "unknown strategy 'FedAv' (did you mean"),
        (DP, {**DP_ARGS, "clipping_norm": -1.0}, "refuses its arguments: The clipping norm should"),
        ("AverageOfRounds", {"over": "mean"}, "over: given 'mean'; allowed: uniform | exponential"),
        ("AverageOfRounds", {"over": ["uniform"]}, "over: given ['uniform']; allowed: uniform | "),
        ("AverageOfRounds", {"last": 0}, "refuses its arguments: last is 0, but must be 1 or more"),
        ("Reweighted", {"strategy": {"name": "FedAvg", "args": {"x": 1}}}, "FedAvg has no arg"),
        ("FedBuff", {"server_lr": 0}, "refuses its arguments: server_lr is 0, but must be above"),
        ("FedAsync", {"staleness": "linear"}, "allowed: constant | polynomial | hinge"),
        ("FedAsync", {"mixing": 1.5}, "refuses its arguments: mixing is 1.5, but must be above 0"),
        (DP, {**DP_ARGS, "strategy": "FedBuff"}, "FedBuff is asynchronous, which nothing wraps"),
        ("FedTrimmedAvg", {"beta": 0.7}, "refuses its arguments: `beta` must be in the range"),
    ],
)
def test_wrong_strategies_are_refused(name: str, args: Any, wanted: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        build(name, args, _defaults())
    assert wanted in str(caught.value)
    assert "\n" not in str(caught.value)


def test_optional_arguments_take_null() -> None:
    name = "DifferentialPrivacyServerSideAdaptiveClipping"
    args = {"noise_multiplier": 0.2, "clipped_count_stddev": None}
    build(name, args, _defaults(nodes=50))
    with pytest.raises(ExperimentError, match="allowed: a number or null"):
        build(name, {**args, "clipped_count_stddev": "x"}, _defaults(nodes=50))


def test_the_default_strategy_does_not_import_flower() -> None:
    code = (
        "import sys; from fedbed.experiment import loads;"
        "loads('{name: x, task: mnist_mlp}', 'x');"
        "sys.exit('flwr' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
