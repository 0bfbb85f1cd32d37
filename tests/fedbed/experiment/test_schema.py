"""What an experiment file may say: defaults, types, and checks across keys."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest

import fedbed.experiment
from fedbed import tasks
from fedbed.errors import ExperimentError
from fedbed.experiment import Experiment, from_data
from fedbed.experiment.base import ALL_SAMPLES, Section


def make(**keys: Any) -> Experiment:
    return from_data({"name": "x", "task": "mnist_mlp", **keys}, "x.yaml")


def complaint(**keys: Any) -> str:
    with pytest.raises(ExperimentError) as caught:
        make(**keys)
    text = str(caught.value)
    assert text.startswith("x.yaml: ")
    assert "\n" not in text
    return text[len("x.yaml: ") :]


def test_defaults() -> None:
    experiment = make()
    assert experiment.data.dataset == "mnist"
    assert experiment.data.partition.scheme == "iid"
    assert experiment.federation.deadline == 600.0
    assert experiment.federation.needed_nodes == 4
    assert experiment.federation.strategy.name == "FedAvg"
    assert experiment.seeds == (1,)


def test_nothing_can_be_changed_afterwards() -> None:
    with pytest.raises(pydantic.ValidationError):
        make().name = "y"


def test_public_names_exist() -> None:
    for name in fedbed.experiment.__all__:
        assert hasattr(fedbed.experiment, name)
    assert fedbed.experiment.__all__ == sorted(fedbed.experiment.__all__)


def _every_field(model: type[Section]) -> list[tuple[str, pydantic.fields.FieldInfo]]:
    found = []
    for key, field in model.model_fields.items():
        found.append((f"{model.__name__}.{key}", field))
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found += _every_field(field.annotation)
    return found


@pytest.mark.parametrize(("key", "field"), _every_field(Experiment))
def test_every_key_has_a_sentence(key: str, field: pydantic.fields.FieldInfo) -> None:
    assert field.description
    assert field.description.endswith(".")


@pytest.mark.parametrize(
    ("partition", "scheme", "args"),
    [
        ("iid", "iid", {}),
        ({}, "iid", {}),
        ("shards", "shards", {"shards_per_node": 2}),
        ({"scheme": "shards", "shards_per_node": 3}, "shards", {"shards_per_node": 3}),
        ({"scheme": "dirichlet", "alpha": 1}, "dirichlet", {"alpha": 1.0}),
    ],
)
def test_partition_arguments_are_complete(partition: Any, scheme: str, args: Any) -> None:
    found = make(data={"partition": partition}).data.partition
    assert (found.scheme, found.args) == (scheme, args)


@pytest.mark.parametrize(
    ("partition", "wanted"),
    [
        ("shard", "data.partition.scheme: unknown scheme 'shard' (did you mean 'shards'?)"),
        ({"scheme": 3}, "data.partition.scheme: given 3 (number); allowed: a scheme, such as iid"),
        ({"alpha": 1}, "data.partition.alpha: scheme 'iid' has no such argument; allowed: no arg"),
        ({"scheme": "shards", "shards_per_node": 2.0}, "given 2.0; allowed: a whole number above"),
        ({"scheme": "shards", "shards_per_node": True}, "allowed: a whole number above 0"),
        ({"scheme": "dirichlet", "alpha": 0}, "data.partition.alpha: given 0; allowed: a number"),
        ({"scheme": "dirichlet", "alpha": float("inf")}, "given inf; allowed: a number above 0"),
        ({"scheme": "dirichlet", "alpha": "1"}, "given '1'; allowed: a number above 0"),
        (["iid"], "data.partition: given a list"),
    ],
)
def test_partition_arguments_are_checked(partition: Any, wanted: str) -> None:
    assert wanted in complaint(data={"partition": partition})


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"name": "Demo Run"}, "name: given 'Demo Run' (text); allowed: up to 60 of a-z"),
        ({"name": "a" * 61}, "name: given"),
        ({"name": "x\n"}, "name: given"),
        ({"task": "mnist_mpl"}, "task: unknown task 'mnist_mpl' (did you mean 'mnist_mlp'?)"),
        ({"task": 3}, "task: given 3 (number); allowed: a learning task such as mnist_mlp"),
        ({"task": {}}, "task.name: missing; wanted: a learning task such as mnist_mlp"),
        ({"task": {"name": "mnist_mlp", "args": 3}}, "task.args: given 3 (number); allowed: a map"),
        ({"task": {"name": "mnist_mlp", "width": 3}}, "unknown key 'task.width'; allowed: name"),
        ({"seeds": []}, "seeds: given a list of 0; allowed: a list of 1 to 1000, each"),
        ({"seeds": 1}, "seeds: given 1 (number); allowed: a list"),
        ({"seeds": [1, 1]}, "seeds: names 1 twice"),
        ({"seeds": [-1]}, "seeds[0]: given -1 (number); allowed: a whole number from 0"),
        ({"seeds": [True]}, "seeds[0]: given true (boolean)"),
        ({"engine": "ray"}, "engine: given 'ray' (text); allowed: edge"),
        ({"codec": {"up": "zip"}}, "codec.up: given 'zip' (text); allowed: raw | exact"),
        ({"optimizer": {"lr": float("nan")}}, "optimizer.lr: given nan (not finite)"),
        ({"optimizer": {"lr": True}}, "optimizer.lr: given true (boolean)"),
        ({"centralised": {"enabled": 1}}, "given 1 (number); allowed: true or false"),
        ({"federation": None}, "federation: given nothing (null); allowed: a mapping"),
    ],
)
def test_values_are_checked(keys: Any, wanted: str) -> None:
    assert wanted in complaint(**keys)


@pytest.mark.parametrize(
    ("federation", "wanted"),
    [
        ({"nodes": "10"}, "nodes: given '10' (text); allowed: a whole number from 1 to 10000"),
        ({"nodes": 2.0}, "nodes: given 2.0 (number); allowed: a whole number"),
        ({"nodes": True}, "nodes: given true (boolean); allowed: a whole number"),
        ({"nodes": 0}, "nodes: given 0 (number); allowed: a whole number from 1 to 10000"),
        ({"min_nodes": 5}, "min_nodes: 5 is more than nodes (4); allowed: 1 to 4"),
        ({"fraction": 0}, "fraction: given 0 (number); allowed: a number above 0 and at most 1"),
        ({"deadline": "soon"}, "deadline: given 'soon' (text); allowed: a duration above 0 such"),
        ({"deadline": 0}, "allowed: a duration above 0"),
        ({"deadline": "2w", "rejoin_grace": "3w"}, "rejoin_grace: is longer than deadline"),
        ({"start_timeout": "60w"}, "start_timeout: given"),
        ({"select": {"names": ["a", "a"]}}, "select.names: names 'a' twice"),
        ({"select": {"names": ["a"]}}, "select.names: names 1 node, but the run needs 4"),
        ({"select": {"labels": {"gpu": True}}}, "select.labels.gpu: given true (boolean)"),
        ({"strategy": {"name": 3}}, "strategy.name: given 3 (number); allowed: text"),
        ({"strategy": 3}, "strategy: given 3 (number)"),
        (
            {"strategy": "FedBuff", "selection": {"name": "tiers"}},
            "selection: 'tiers' needs rounds, but FedBuff is asynchronous; allowed: strategy",
        ),
        (
            {"strategy": "FedBuff", "pace": {"factor": 2.0}},
            "pace.factor: 2.0 needs rounds, but FedBuff is asynchronous; allowed: null",
        ),
        ({"local_epochs": 0}, "local_epochs: given 0 (number); allowed: a number above 0"),
        ({"strategy": "FedBuff", "evaluate": "both"}, "'both' needs rounds, but FedBuff is async"),
        (
            {"strategy": "FedAsync", "over_selection": 0.1},
            "over_selection: 0.1 needs rounds, but Fed",
        ),
        ({"evaluate_every": 0}, "evaluate_every: given 0 (number); allowed: a whole number from 1"),
        ({"strategy": "FedAvgg"}, "strategy: unknown strategy 'FedAvgg' (did you mean 'FedAvg'?)"),
    ],
)
def test_the_federation_is_checked(federation: Any, wanted: str) -> None:
    assert wanted in complaint(federation=federation)


@pytest.mark.parametrize(
    ("optimizer", "wanted"),
    [
        ({"name": "adam"}, "name: given 'adam' (text); allowed: sgd | adamw"),
        ({"name": "adamw", "momentum": 0.9}, "momentum: is sgd's; adamw has betas: leave it out"),
        ({"betas": [0.9, 0.99]}, "betas: are adamw's; sgd has momentum: leave them out"),
        ({"name": "adamw", "betas": [0.9, 1.0]}, "betas[1]: given 1.0 (number); allowed: "),
        ({"name": "adamw", "betas": [0.9]}, "betas[1]: missing; wanted: "),
        ({"clip": 0}, "clip: given 0 (number); allowed: a number above 0"),
        ({"warmup": 10}, "warmup: 10 leaves none of 10 rounds for the full rate; allowed: 0 to 9"),
        (
            {"schedule": "cosine", "warmup": 2, "hold": 8},
            "hold: 8 leaves the rate none of 10 rounds to fall in; allowed: 0 to 7",
        ),
        ({"hold": 1}, "hold: is for schedule 'cosine'; 'constant' holds the rate all along"),
    ],
)
def test_the_optimizer_is_checked(optimizer: Any, wanted: str) -> None:
    assert f"optimizer.{wanted}" in complaint(optimizer=optimizer)


def test_only_grouped_data_is_divided_by_groups() -> None:
    text = complaint(data={"dataset": "mnist", "partition": "groups"})
    assert "data.partition: 'groups' divides by scene or site, of which data set 'mnist'" in text
    assert "sparcs_cloud | synthetic-clouds" in text
    scenes = {"dataset": "synthetic-clouds", "partition": "groups"}
    assert make(task="clouds_unet", data=scenes).data.partition.scheme == "groups"


def test_moments_are_averaged_where_that_means_something() -> None:
    averaged = {"moments": "average"}
    assert make(optimizer=averaged).optimizer.moments == "average"
    wrapped = {"name": "AverageOfRounds", "args": {"strategy": "FedProx"}}
    assert make(optimizer=averaged, federation={"strategy": wrapped})
    text = complaint(optimizer={**averaged, "momentum": 0})
    assert "optimizer.moments: is 'average', but momentum is 0: there is nothing to keep" in text
    for strategy in ("FedAdam", {"name": "AverageOfRounds", "args": {"strategy": "FedAdam"}}):
        text = complaint(optimizer=averaged, federation={"strategy": strategy})
        assert "optimizer.moments: 'average' doesn't go with strategy 'FedAdam'; it does" in text


def test_the_optimizer_is_one_that_the_task_knows() -> None:
    found = make(optimizer={"name": "adamw", "betas": [0.9, 0.95]}).optimizer
    assert (found.used_momentum, found.used_betas) == (0.0, (0.9, 0.95))
    assert (make().optimizer.used_momentum, make().optimizer.used_betas) == (0.9, (0.9, 0.999))
    text = "optimizer.name: task 'mnist_softmax' doesn't learn by 'adamw'; allowed: sgd"
    assert text in complaint(task="mnist_softmax", optimizer={"name": "adamw"})


@pytest.mark.parametrize(
    ("task", "wanted"),
    [
        ({"args": {"widht": 8}}, "task.args.widht: task 'clouds_unet' has no such argument (did"),
        ({"args": {"width": 2}}, "task.args.width: given 2; allowed: a whole number from 4"),
        ({"args": {"loss": "focal"}}, "task.args.loss: given 'focal'; allowed: dice | dice_ce |"),
        ({}, "task.args.classes: must be given where nodes bring data of their own"),
    ],
)
def test_arguments_of_the_task_are_checked(task: Any, wanted: str) -> None:
    own = {"data": {"delivery": "node"}, "centralised": {"enabled": False}}
    assert complaint(task={"name": "clouds_unet", **task}, **own).startswith(wanted)


def test_arguments_of_the_task_are_complete() -> None:
    own: Any = {"data": {"delivery": "node"}, "centralised": {"enabled": False}}
    spec = make(task={"name": "clouds_unet", "args": {"classes": 4}}, **own).task
    assert spec.args == {"width": 16, "loss": "dice", "norm": "group", "classes": 4}


def test_sections_are_compared() -> None:
    few = {"train_samples": 3}
    assert "3 is too few for 4 nodes; allowed: 4 or more" in complaint(data=few)
    shards = {"train_samples": 7, "partition": "shards"}
    assert "7 is too few for 4 nodes; allowed: 8 or more" in complaint(data=shards)
    batch = complaint(data={"train_samples": 20}, federation={"batch_size": 21})
    assert batch.startswith("federation.batch_size: 21 is more than data.train_samples (20)")
    assert complaint(data={"delivery": "node"}).startswith("centralised.enabled: true needs")
    make(data={"delivery": "node"}, centralised={"enabled": False})


def test_samples_that_are_kept_back_are_there_and_asked_for() -> None:
    args = {"name": "Reweighted", "args": {"by": "validation-loss"}}
    wrapped = {"name": "AverageOfRounds", "args": {"strategy": args}}
    for strategy in (args, wrapped):
        text = complaint(federation={"strategy": strategy})
        assert text.startswith("data.validation_samples: is 0, but weights by 'validation-loss'")
    make(data={"validation_samples": 100}, federation={"strategy": wrapped})
    own = {"delivery": "node", "validation_samples": 1}
    text = complaint(data=own, centralised={"enabled": False})
    assert text.startswith("data.validation_samples: needs the training samples at the coordinator")
    text = complaint(data={"train_samples": 50, "validation_samples": 50})
    assert text.startswith("data.validation_samples: 50 leaves nothing of data.train_samples (50)")
    text = complaint(data={"train_samples": 50, "validation_samples": 47})
    assert text == "data.train_samples: 50 is too few for 4 nodes; allowed: 51 or more"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("minst", "unknown data set 'minst' (did you mean 'mnist'?); allowed: auto | cifar10 | "),
        ("CIFAR-10", "unknown data set 'CIFAR-10' (did you mean 'cifar10'?)"),
        ("../mnist", "unknown data set '../mnist'"),
        (3, "given 3 (number); allowed: auto | cifar10 | mnist | sparcs_cloud | "),
        ("synthetic-clouds", "'synthetic-clouds' has masks (a class per pixel), but task "
         "'mnist_mlp' learns from labels (a class per image); those with labels: cifar10 | mnist"),
        ("cifar10", "'cifar10' has samples of 32x32x3, but task 'mnist_mlp' takes 28x28; "
         "allowed: mnist | synthetic-digits"),
    ],
)  # fmt: skip
def test_data_sets_are_known_and_fit_the_task(given: Any, wanted: str) -> None:
    assert complaint(data={"dataset": given}).startswith(f"data.dataset: {wanted}")


def test_a_task_in_colour_takes_no_digits() -> None:
    text = "has samples of 28x28, but task 'cifar10_resnet18' takes 32x32x3; allowed: cifar10"
    assert complaint(task="cifar10_resnet18") == f"data.dataset: 'mnist' {text}"
    for name in ("auto", "synthetic-digits"):
        found = complaint(task="cifar10_resnet18", data={"dataset": name})
        assert found == f"data.dataset: {name!r} {text}"
    make(task="cifar10_resnet50", data={"dataset": "cifar10"})
    # What the nodes have of their own is looked at there.
    make(task="cifar10_resnet18", data={"delivery": "node"}, centralised={"enabled": False})


def test_pictures_are_scaled_by_whole_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "mnist: pictures of 28x28 can't be scaled down to 9 by a whole factor; allowed: 28, 14"
    assert complaint(data={"image_size": 9}).startswith(f"data.image_size: {text}")
    assert "has samples of 14x14, but" in complaint(data={"image_size": 14})
    assert make(data={"image_size": 28}).data.image_size == 28
    assert complaint(data={"image_size": 0}).startswith("data.image_size: ")
    monkeypatch.setitem(tasks._TASKS, "mnist_mlp", tasks._Task("none", (14, 14)))
    assert make(data={"image_size": 14}).data.image_size == 14


def test_a_task_that_wants_masks_takes_no_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    segments = tasks._Task("none", (128, 128, 3), wants="masks")
    monkeypatch.setitem(tasks._TASKS, "mnist_mlp", segments)
    assert complaint() == (
        "data.dataset: 'mnist' has labels (a class per image), but task 'mnist_mlp' learns from "
        "masks (a class per pixel); those with masks: sparcs_cloud | synthetic-clouds"
    )
    make(data={"dataset": "sparcs_cloud", "image_size": 128})


def test_further_problems_are_told_as_well() -> None:
    text = complaint(seeds=[], engine="ray", codec={"up": 1})
    keys = [part.partition(":")[0] for part in text.split("; also: ")]
    assert keys == ["seeds", "codec.up", "engine"]


def test_whole_numbers_will_do_for_numbers() -> None:
    assert make(optimizer={"lr": 1}).optimizer.lr == 1.0


def test_virtual_nodes() -> None:
    shared = make(federation={"nodes": 100, "agents": 4})
    assert (shared.federation.is_virtual, shared.federation.real_nodes) == (True, 4)
    own = make(federation={"nodes": 4, "agents": 4})
    assert (own.federation.is_virtual, own.federation.real_nodes) == (False, 4)
    many = complaint(federation={"nodes": 4, "agents": 5})
    assert many == "federation.agents: 5 is more than nodes (4); allowed: 1 to 4"
    few = complaint(federation={"nodes": 9, "agents": 3, "min_nodes": 8})
    assert few.startswith("federation.min_nodes: 8 can't be less than nodes (9) where these share")
    names = complaint(federation={"nodes": 9, "agents": 3, "select": {"names": ["a", "b"]}})
    assert "names 2 nodes, but the run needs 3; name more, or lower agents" in names
    own_data = complaint(
        data={"delivery": "node"},
        centralised={"enabled": False},
        federation={"nodes": 9, "agents": 3},
    )
    assert own_data.startswith("federation.agents: is less than nodes, but data.delivery is 'node'")


def test_a_batch_may_be_all_that_a_node_has() -> None:
    whole = make(federation={"batch_size": "all"}, data={"train_samples": 20})
    assert whole.federation.batch_size == ALL_SAMPLES
    assert "batch_size: all\n" in fedbed.experiment.dump(whole)
    assert fedbed.experiment.loads(fedbed.experiment.dump(whole), "again") == whole
    for wrong in (0, 1_000_001, "some", 1.5, True, None):
        text = complaint(federation={"batch_size": wrong})
        assert "allowed: a whole number from 1 to 1000000, or all" in text


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"federation": {"target": 97}}, "federation.target: given 97 (number); allowed: a number"),
        ({"federation": {"stop_at_target": True}}, "stop_at_target: true needs a target"),
        (
            {"federation": {"target": 0.9, "evaluate": "nodes"}},
            "federation.target: is looked for on the coordinator's test set, which evaluate "
            "('nodes') leaves out",
        ),
        (
            {
                "federation": {"target": 0.9},
                "data": {"delivery": "node"},
                "centralised": {"enabled": False},
            },
            "federation.target: needs a test set at the coordinator",
        ),
    ],
)
def test_targets_that_nothing_could_reach(keys: Any, wanted: str) -> None:
    assert wanted in complaint(**keys)
