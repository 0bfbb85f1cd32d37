"""Writing experiments back in full, and `--set key=value`."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fedbed.errors import ExperimentError
from fedbed.experiment import Experiment, dump, from_data, loads, override

PLAIN = from_data({"name": "x", "task": "mnist_mlp"}, "x")

_texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
_words = st.sampled_from(["yes", "1e5", "010", "null", "~", "1:30", ".5", "<<", "=", "2024-01-01"])
_partitions = st.one_of(
    st.just({"scheme": "iid"}),
    st.builds(lambda n: {"scheme": "shards", "shards_per_node": n}, st.integers(1, 9)),
    st.builds(
        lambda a: {"scheme": "dirichlet", "alpha": a}, st.floats(min_value=1e-9, max_value=1e9)
    ),
)
_experiments = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[a-z0-9][a-z0-9-]{0,59}", fullmatch=True),
        "task": st.sampled_from(["mnist_mlp", "mnist_softmax"]),
    },
    optional={
        "description": _texts | _words,
        "data": st.fixed_dictionaries({"partition": _partitions}),
        "federation": st.fixed_dictionaries(
            {
                "nodes": st.integers(10, 10_000),
                "deadline": st.floats(min_value=1e-6, max_value=1e7),
                "rejoin_grace": st.just(0),
                "select": st.fixed_dictionaries(
                    {"labels": st.dictionaries(_texts | _words, _texts | _words, max_size=3)}
                ),
                "quorum": st.floats(min_value=0, max_value=1, exclude_min=True),
            }
        ),
        "optimizer": st.fixed_dictionaries({"lr": st.floats(min_value=1e-12, max_value=10)}),
        "seeds": st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4, unique=True),
    },
)


@settings(deadline=None)
@given(_experiments)
@example({"name": "x", "task": "mnist_mlp", "description": "a\x85b\u2028c\r\n"})
def test_what_is_dumped_loads_again(data: Any) -> None:
    experiment = from_data(data, "x")
    assert loads(dump(experiment), "dump") == experiment
    assert Experiment.model_validate_json(experiment.model_dump_json()) == experiment
    # Other programs read YAML 1.1; they must see the same text.
    assert yaml.safe_load(dump(experiment)) == experiment.model_dump(mode="json")


def test_the_dump_is_complete_and_written_for_people() -> None:
    written = yaml.safe_load(dump(PLAIN))
    assert written["federation"]["deadline"] == "10m"
    assert written["federation"]["rejoin_grace"] == "0s"
    assert written["data"]["partition"] == {"scheme": "iid"}
    assert dump(loads(dump(PLAIN), "dump")) == dump(PLAIN)


def test_strategy_arguments_survive_a_dump() -> None:
    inner = {"name": "FedProx", "args": {"proximal_mu": 0.1}}
    args = {"strategy": inner, "noise_multiplier": 1, "clipping_norm": 2.5}
    name = "DifferentialPrivacyServerSideFixedClipping"
    text = {"federation": {"strategy": {"name": name, "args": args}}}
    experiment = from_data({"name": "x", "task": "mnist_mlp", **text}, "x")
    assert loads(dump(experiment), "dump") == experiment


def test_a_task_is_a_name_or_a_name_with_arguments() -> None:
    assert PLAIN.task.name == "mnist_mlp"
    assert from_data({"name": "x", "task": {"name": "mnist_mlp"}}, "x") == PLAIN
    assert yaml.safe_load(dump(PLAIN))["task"] == {"name": "mnist_mlp", "args": {}}
    assert override(PLAIN, ["task=mnist_softmax"]).task.name == "mnist_softmax"
    assert override(PLAIN, ["task.name=mnist_softmax"]).task.name == "mnist_softmax"
    with pytest.raises(ExperimentError, match=r"task\.args\.width: task 'mnist_mlp' takes no arg"):
        override(PLAIN, ["task.args.width=8"])


def test_override_changes_single_keys() -> None:
    changed = override(
        PLAIN,
        ["federation.rounds=5", "optimizer.lr=1e-3", "seeds=[1, 2]", "federation.deadline=90s"],
    )
    assert changed.federation.rounds == 5
    assert changed.optimizer.lr == 0.001
    assert changed.seeds == (1, 2)
    assert changed.federation.deadline == 90.0
    assert changed.codec == PLAIN.codec
    assert PLAIN.federation.rounds == 10


def test_the_last_of_two_overrides_counts_and_none_is_none() -> None:
    assert override(PLAIN, ["name=a", "name=b"]).name == "b"
    assert override(PLAIN, []) == PLAIN


def test_overrides_are_checked_together() -> None:
    assert override(PLAIN, ["federation.min_nodes=9", "federation.nodes=9"]).federation.nodes == 9


def test_another_scheme_or_strategy_drops_the_arguments_of_the_old_one() -> None:
    shards = override(PLAIN, ["data.partition.shards_per_node=3", "data.partition=shards"])
    assert shards.data.partition.args == {"shards_per_node": 3}
    assert override(shards, ["data.partition.scheme=iid"]).data.partition.args == {}
    assert override(shards, ["data.partition.scheme=shards"]) == shards
    prox = override(
        PLAIN, ["federation.strategy=FedProx", "federation.strategy.args.proximal_mu=1"]
    )
    assert prox.federation.strategy.args == {"proximal_mu": 1}
    assert override(prox, ["federation.strategy=FedAvg"]).federation.strategy.args == {}


@pytest.mark.parametrize(
    ("assignments", "wanted"),
    [
        (["federation.round=5"], "--set federation.round=5: unknown key 'federation.round'; did "),
        (["federation.rounds=five"], "--set federation.rounds=five: federation.rounds: given 'fi"),
        (["federation.rounds="], "federation.rounds: given nothing (null); allowed: a whole"),
        (["name=b", "seeds=[]"], "--set seeds=[]: seeds: given a list"),
        (["federation.nodes=2", "federation.min_nodes=3"], "--set federation.min_nodes=3: "),
        (["name.first=b"], "--set name.first=b: 'name' holds a value, not further keys"),
        (["rounds"], "--set rounds: wanted: key=value"),
        (["=3"], "wanted: key=value"),
        (["a..b=3"], "wanted: key=value"),
        (["seeds=[1"], "--set seeds=[1: not valid YAML"),
        (["data.train_samples=3"], "--set data.train_samples=3: data.train_samples: 3 is too few"),
        (["data.delivery=node"], "--set data.delivery=node: centralised.enabled: true needs"),
    ],
)
def test_wrong_overrides_are_blamed(assignments: list[str], wanted: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        override(PLAIN, assignments)
    assert wanted in str(caught.value)
    assert "\n" not in str(caught.value)
