from __future__ import annotations

import pytest

from coordinator.runner.policy import Policy, max_bytes
from fedbed.codec import ArraySpec
from fedbed.experiment import Pace, loads, strategies


@pytest.mark.parametrize(
    ("quorum", "asked", "least"),
    [(0.3, 4, 2), (0.3, 10, 3), (0.3, 1, 1), (1.0, 7, 7), (0.0, 5, 1), (0.1, 10, 1), (0.7, 10, 7)],
)
def test_quorum(quorum: float, asked: int, least: int) -> None:
    assert Policy(quorum=quorum).least(asked) == least


@pytest.mark.parametrize(
    ("spare", "asked", "enough"), [(1.0, 4, 4), (1.5, 6, 4), (1.25, 5, 4), (2.0, 1, 1)]
)
def test_spare_nodes(spare: float, asked: int, enough: int) -> None:
    assert Policy(spare=spare).enough(asked) == enough


@pytest.mark.parametrize(
    ("fraction", "over", "asked", "enough"),
    [(0.5, 0.2, 6, 5), (1.0, 0.5, 10, 10), (0.8, 0.5, 10, 8), (0.3, 0.0, 3, 3)],
)
def test_over_selection_asks_more_than_it_waits_for(
    fraction: float, over: float, asked: int, enough: int
) -> None:
    text = f"name: x\ntask: mnist_softmax\nfederation: {{nodes: 10, fraction: {fraction}, "
    experiment = loads(f"{text}over_selection: {over}}}", "test")
    share = strategies.defaults(experiment)["fraction_train"]
    assert isinstance(share, float)
    assert int(10 * share + 1e-9) == asked
    assert Policy.of(experiment).enough(asked) == enough


def test_a_pace_counts_nodes() -> None:
    assert Policy().paced(10) is None
    paced = Policy(pace=Pace(factor=1.5, share=0.75, least=2.0))
    assert paced.paced(10) == {"count": 8, "factor": 1.5, "least_s": 2.0}
    assert paced.paced(1) == {"count": 1, "factor": 1.5, "least_s": 2.0}


def test_an_honest_result_fits() -> None:
    specs = [ArraySpec("w", "float32", (1000, 1000))]
    assert max_bytes(specs) > 4_000_000
    assert max_bytes([]) > 0
