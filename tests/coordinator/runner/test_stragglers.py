from __future__ import annotations

import pytest

from coordinator.runner.adversaries import Adversaries
from coordinator.runner.stragglers import Stragglers
from fedbed.errors import ExperimentError
from fedbed.experiment import Adversaries as AdversariesSpec
from fedbed.experiment import Stragglers as Spec
from fedbed.experiment import loads


def test_they_are_drawn_from_the_seed_and_not_with_the_adversaries() -> None:
    chosen = [Stragglers.choose(Spec(nodes=2), 8, seed).partitions for seed in range(20)]
    assert chosen == [Stragglers.choose(Spec(nodes=2), 8, seed).partitions for seed in range(20)]
    assert len(set(chosen)) > 5
    bad = [Adversaries.choose(AdversariesSpec(nodes=2), 8, seed).partitions for seed in range(20)]
    assert chosen != bad


def test_only_they_are_slowed() -> None:
    some = Stragglers.choose(Spec(nodes=2, factor=3.0), 4, 1)
    assert {p for p in range(4) if some.factor(p) == 3.0} == set(some.partitions)
    assert {some.factor(p) for p in range(4)} == {3.0, None}


def test_it_is_said_in_a_sentence() -> None:
    assert Stragglers.choose(Spec(), 8, 1).describe() == ""
    one = "1 of 8 nodes trains 5 times as long, as the experiment asks"
    assert Stragglers.choose(Spec(nodes=1), 8, 1).describe() == one
    two = "2 of 8 nodes train 1.5 times as long, as the experiment asks"
    assert Stragglers.choose(Spec(nodes=2, factor=1.5), 8, 1).describe() == two


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("{nodes: 4}", r"stragglers\.nodes: is more than federation\.nodes \(3\)"),
        ("{nodes: 1, factor: 1}", r"stragglers\.factor: given 1 .* allowed: a number above 1"),
    ],
)
def test_what_makes_no_sense_is_refused(written: str, wanted: str) -> None:
    text = f"{{name: x, task: mnist_softmax, federation: {{nodes: 3}}, stragglers: {written}}}"
    with pytest.raises(ExperimentError, match=wanted):
        loads(text, "test")
