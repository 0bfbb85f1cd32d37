from __future__ import annotations

from collections import Counter

import pytest

from fedbed.selection.oort import Oort
from tests.fedbed.selection.nodes import node, part, play, situation

GREEDY = Oort(epsilon=0.0, epsilon_least=0.0)


def test_it_explores_everybody_first_and_the_quick_ones_sooner() -> None:
    asked = play(Oort(), [1.0] * 10, 12, 0.4)
    assert {p for group in asked for p in group} == set(range(10))
    sooner = Counter[int]()
    for seed in range(50):
        fresh = [node(0, samples=1000), node(1, samples=100), node(2, samples=100, cpus=8)]
        sooner.update(GREEDY.choose(situation(*fresh, share=0.34, seed=seed)).partitions)
    assert sooner[2] > sooner[1] > sooner[0]


def test_reasons_tell_old_from_new() -> None:
    nodes = [node(0, part(1, 1.0)), node(1, part(1, 1.0)), node(2), node(3)]
    choice = Oort(epsilon=0.5, epsilon_decay=1.0).choose(situation(*nodes, round=2, share=0.5))
    (why, old), (other, new) = choice.because
    assert (why, other) == ("much to learn, soon", "not asked before")
    assert len(old) == len(new) == 1
    assert set(old) < {0, 1}
    assert set(new) < {2, 3}


def test_what_is_badly_known_comes_first() -> None:
    losses = {0: 0.1, 1: 0.1, 2: 3.0, 3: 0.1}
    nodes = [node(p, part(1, 1.0, loss), samples=100) for p, loss in losses.items()]
    assert GREEDY.choose(situation(*nodes, round=2, share=0.25)).partitions == (2,)
    # More samples of a smaller loss are worth more.
    nodes[1] = node(1, part(1, 1.0, 0.1), samples=100_000)
    assert GREEDY.choose(situation(*nodes, round=2, share=0.25)).partitions == (1,)


def test_slowness_costs_as_much_as_alpha_says() -> None:
    nodes = [node(p, part(1, 10.0 if p == 2 else 1.0, 3.0 if p == 2 else 2.0)) for p in range(4)]
    asks = situation(*nodes, round=2, share=0.25)
    assert 2 not in GREEDY.choose(asks).partitions
    patient = Oort(epsilon=0.0, epsilon_least=0.0, alpha=0.0)
    assert patient.choose(asks).partitions == (2,)


def test_who_was_asked_long_ago_gains() -> None:
    old = node(0, part(1, 1.0, 1.0))
    recent = [node(p, part(400, 1.0, 1.0)) for p in (1, 2, 3)]
    assert GREEDY.choose(situation(old, *recent, round=401, share=0.25)).partitions == (0,)


def test_one_odd_loss_does_not_outweigh_all() -> None:
    nodes = [node(p, part(1, 1.0, 1.0 + p / 100)) for p in range(40)]
    nodes[0] = node(0, part(1, 5.0, 1e9))
    assert 0 not in GREEDY.choose(situation(*nodes, round=2, share=0.1)).partitions


@pytest.mark.parametrize(("learnt", "paces"), [(0.9, [0.5, 0.6, 0.7]), (1.1, [0.5])])
def test_the_pacer_gives_more_time_when_less_is_learnt(learnt: float, paces: list[float]) -> None:
    oort = Oort(window=3)
    nodes = [node(p) for p in range(4)]
    notes: dict[int, dict[str, float]] = {}
    for number in range(1, 12):
        nodes = [
            node(p, *(part(r, 1.0, learnt**r) for r in range(1, number)), samples=10)
            for p in range(4)
        ]
        notes[number] = dict(oort.choose(situation(*nodes, round=number, notes=notes)).note)
    seen = list(dict.fromkeys(note["pace"] for note in notes.values()))
    assert seen == pytest.approx(paces)


def test_a_node_that_never_delivered_breaks_nothing() -> None:
    from fedbed.selection import Part

    nodes = [node(0, Part(1, False)), node(1, Part(1, False))]
    assert len(GREEDY.choose(situation(*nodes, round=2, share=0.5)).partitions) == 1
