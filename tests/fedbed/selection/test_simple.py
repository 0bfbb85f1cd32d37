"""all, random and label; and what every selection keeps to."""

from __future__ import annotations

from typing import Any

import pytest

from fedbed.errors import ExperimentError
from fedbed.experiment import describe, dump, loads, override
from fedbed.experiment.schema import Experiment
from fedbed.selection import OF_STRATEGY, SELECTIONS, Choice, Selection, build
from fedbed.selection.chance import Random
from fedbed.selection.everybody import All
from fedbed.selection.label import Label
from tests.fedbed.selection.nodes import node, play, situation

ARGS: dict[str, dict[str, Any]] = {"label": {"target": {"device": "pi"}, "otherwise": "all"}}
FILE = "{name: x, task: mnist_softmax, federation: {fraction: 0.5, selection: %s}}"


def made(name: str) -> Selection:
    selection = build(name, ARGS.get(name, {}))
    assert selection is not None
    return selection


@pytest.mark.parametrize("name", SELECTIONS)
def test_each_chooses_the_same_again_and_asks_each_node_once(name: str) -> None:
    asked = play(made(name), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 30, 0.5)
    assert all(group and len(group) == len(set(group)) for group in asked)
    if name not in ("all", "label"):
        assert {len(group) for group in asked} <= {1, 2, 3, 4}
        assert len(set(asked)) > 3


@pytest.mark.parametrize("name", SELECTIONS)
def test_one_candidate_is_enough(name: str) -> None:
    assert play(made(name), [1.0], 3, 0.1) == [(0,)] * 3


def test_all() -> None:
    choice = All().choose(situation(node(2), node(0), share=0.1))
    assert choice == Choice.of(("everybody", [0, 2]))
    assert choice.partitions == (0, 2)


def test_random_follows_seed_and_round_and_counts_as_flower_does() -> None:
    nodes = [node(p) for p in range(10)]
    drawn = {
        (seed, number): Random()
        .choose(situation(*nodes, share=0.35, seed=seed, round=number))
        .partitions
        for seed in (0, 1)
        for number in (1, 2)
    }
    assert len(set(drawn.values())) == 4
    assert {len(group) for group in drawn.values()} == {3}
    assert len(Random().choose(situation(*nodes, share=0.01)).partitions) == 1


def test_label_asks_a_share_of_those_that_carry_it() -> None:
    nodes = [node(p, labels={"device": "pi" if p % 2 else "nano", "site": "a"}) for p in range(8)]
    label = Label(target={"device": "pi", "site": "a"})
    assert label.choose(situation(*nodes)).because == (("device=pi, site=a", (1, 3, 5, 7)),)
    half = label.choose(situation(*nodes, share=0.5)).partitions
    assert len(half) == 2
    assert set(half) < {1, 3, 5, 7}


def test_a_label_that_nobody_carries() -> None:
    nodes = [node(p, labels={"device": "nano"} if p else {}) for p in range(6)]
    choice = Label(target={"device": "pi"}).choose(situation(*nodes))
    assert choice.partitions == ()
    assert choice.nobody.startswith(
        "no node here carries device=pi (node-1: no label; node-2: device=nano; "
    )
    assert "; 2 more): start agents with --label" in choice.nobody
    everybody = Label(target={"device": "pi"}, otherwise="all").choose(situation(*nodes))
    assert everybody.because == (("nobody with device=pi is there", (0, 1, 2, 3, 4, 5)),)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("oor", "unknown selection 'oor' (did you mean 'oort'?); allowed: strategy, all, random"),
        ("{name: oort, args: {epsilo: 1}}", "unknown key 'epsilo'; did you mean 'epsilon'?"),
        ("{name: oort, args: {epsilon: 2}}", "epsilon: given 2 (number); allowed: a number from 0"),
        ("{name: random, args: {x: 1}}", "selection 'random' takes no arguments"),
        ("{args: {x: 1}}", "selection 'strategy' takes no arguments"),
        ("{nme: label}", "unknown key 'federation.selection.nme'; did you mean 'name'?"),
        ("{nme: label, args: {x: 1}}", "unknown key 'federation.selection.nme'; did you mean"),
        ("label", "target: missing; wanted: at least one label"),
        ("{name: label, args: {target: {}}}", "allowed: at least one label, as in {device:"),
        ("{name: fedcs, args: {deadline: soon}}", "deadline: given 'soon' (text); allowed: a dur"),
        ("all", "federation.fraction: is below 1, but selection 'all' asks every node"),
        ("{name: 3}", "federation.selection.name: given 3"),
    ],
)
def test_wrong_selections_are_refused(written: str, wanted: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        loads(FILE % written, "file")
    assert wanted in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_label_that_no_node_of_the_run_can_carry_is_refused() -> None:
    text = (
        "{name: x, task: mnist_softmax, federation: {select: {labels: {device: %s}}, "
        "selection: {name: label, args: {target: {device: nano}, otherwise: %s}}}}"
    )
    with pytest.raises(ExperimentError, match="selects nobody: nodes with device=nano are wanted"):
        loads(text % ("pi", "none"), "file")
    loads(text % ("nano", "none"), "file")
    loads(text % ("pi", "all"), "file")


def test_the_file_names_them_and_says_every_argument() -> None:
    listed = describe.schema_at(("federation", "selection", "name"), Experiment)
    assert listed is not None
    assert listed["allowed"] == " | ".join([OF_STRATEGY, *SELECTIONS])
    for name in SELECTIONS:
        if name == "all":
            continue
        selection = made(name)
        spec = {"name": name, "args": selection.model_dump(mode="json")}
        experiment = loads(FILE % str(spec).replace("None", "null"), "file")
        assert experiment.federation.selection.args == spec["args"]
        assert loads(dump(experiment), "dump") == experiment
        assert build(name, experiment.federation.selection.args) == selection
        back = override(experiment, ["federation.selection=random"])
        assert back.federation.selection.args == {}


def test_without_the_key_the_strategy_chooses() -> None:
    experiment = Experiment.model_validate({"name": "x", "task": "mnist_softmax"})
    assert experiment.federation.selection.name == OF_STRATEGY
    assert build(OF_STRATEGY, {}) is None
