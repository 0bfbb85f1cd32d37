from __future__ import annotations

import pytest

from coordinator.runner.adversaries import Adversaries
from fedbed.errors import ExperimentError
from fedbed.experiment import Adversaries as Spec
from fedbed.experiment import loads
from fedbed.link.messages import Poison


def test_they_are_drawn_from_the_seed() -> None:
    chosen = [Adversaries.choose(Spec(nodes=2), 8, seed).partitions for seed in range(20)]
    assert chosen == [Adversaries.choose(Spec(nodes=2), 8, seed).partitions for seed in range(20)]
    assert len(set(chosen)) > 5
    assert all(len(set(pair)) == 2 and set(pair) <= set(range(8)) for pair in chosen)
    assert Adversaries.choose(Spec(nodes=8), 8, 1).partitions == tuple(range(8))


def test_only_they_get_poison() -> None:
    some = Adversaries.choose(Spec(nodes=2, kind="noise", scale=3.0), 4, 1)
    given = {p: some.poison(p, 100 + p) for p in range(4)}
    assert {p for p, poison in given.items() if poison is not None} == set(some.partitions)
    first = some.partitions[0]
    assert given[first] == Poison("noise", 3.0, 100 + first)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (Spec(), ""),
        (
            Spec(nodes=1, kind="nan"),
            "1 of 8 nodes sends NaN for its updates, as the experiment asks",
        ),
        (
            Spec(nodes=2),
            "2 of 8 nodes flip the sign of their updates, 5 times, as the experiment asks",
        ),
        (
            Spec(nodes=2, kind="sign-flip", scale=1.0),
            "2 of 8 nodes flip the sign of their updates, as the experiment asks",
        ),
    ],
)
def test_it_is_said_in_a_sentence(spec: Spec, text: str) -> None:
    assert Adversaries.choose(spec, 8, 1).describe() == text


def test_there_are_no_more_adversaries_than_nodes() -> None:
    text = "name: x\ntask: mnist_softmax\nfederation: {nodes: 3}\nadversaries: {nodes: 4}"
    with pytest.raises(ExperimentError, match=r"more than federation\.nodes"):
        loads(text, "test")
