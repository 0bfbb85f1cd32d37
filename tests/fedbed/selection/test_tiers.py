from __future__ import annotations

from collections import Counter
from typing import Any

from fedbed.selection import Candidate
from fedbed.selection.tiers import Tiers
from tests.fedbed.selection.nodes import late, node, part, play, situation

SECONDS = [1.0, 8.0, 2.0, 9.0, 1.5, 8.5]


def test_all_are_measured_then_one_tier_is_asked_at_a_time() -> None:
    asked = play(Tiers(tiers=3), SECONDS, 40, 1 / 3)
    assert sorted(p for group in asked[:3] for p in group) == [0, 1, 2, 3, 4, 5]
    counted = Counter(asked[3:])
    assert set(counted) == {(0, 4), (1, 2), (3, 5)}
    assert min(counted.values()) > 5


def test_reasons_name_the_tier() -> None:
    nodes = [node(p, part(1, s)) for p, s in enumerate(SECONDS)]
    why = {
        Tiers(tiers=3).choose(situation(*nodes, round=2, seed=s, share=1 / 3)).because
        for s in range(30)
    }
    named = {("fastest tier", (0, 4)), ("tier 2 of 3", (1, 2)), ("slowest tier", (3, 5))}
    assert {group for (group,) in why} == named
    some = [node(0, part(1, 1.0)), node(1), node(2, part(1, 1.0))]
    first = Tiers().choose(situation(*some, round=2, share=0.67)).because
    assert first[0] == ("not measured yet", (1,))
    assert first[1][0] == "beside those to measure"


def test_a_tier_is_large_enough_for_a_round() -> None:
    asked = play(Tiers(tiers=5), SECONDS, 20, 0.5)
    assert set(asked[2:]) == {(0, 2, 4), (1, 3, 5)}
    assert set(play(Tiers(tiers=5), SECONDS, 5, 1.0)) == {(0, 1, 2, 3, 4, 5)}


def test_who_was_late_is_slow() -> None:
    nodes = [node(0, late(1, 30.0)), node(1, part(1, 2.0)), node(2, part(1, 1.0))]
    chosen = {
        Tiers(tiers=3).choose(situation(*nodes, round=2, seed=s, share=0.34)).because
        for s in range(30)
    }
    assert (("slowest tier", (0,)),) in chosen


def test_credits_end_and_begin_anew() -> None:
    asked = play(Tiers(tiers=3, credits=2), SECONDS, 3 + 6, 1 / 3)
    assert set(Counter(asked[3:]).values()) == {2}
    longer = play(Tiers(tiers=3, credits=2), SECONDS, 40, 1 / 3)
    assert len(longer) == 40


def scored(scores: dict[int, tuple[float, ...]]) -> list[Candidate]:
    """Nodes of two tiers; scores: of each round from the first."""
    return [
        node(p, part(1, s), scores=tuple(enumerate(scores[p], 1)))
        for p, s in enumerate([1.0, 1.0, 9.0, 9.0])
    ]


def weights(nodes: list[Candidate], drawn: int) -> Any:
    note = {"tier": drawn, "weights": [1.0, 1.0]}
    asks = situation(*nodes, round=5, share=0.5, notes=dict.fromkeys(range(1, 5), note))
    return Tiers(tiers=2, interval=2).choose(asks).note["weights"]


def test_chances_turn_to_where_the_model_is_worst() -> None:
    stuck = {0: (0.5, 0.9, 0.9, 0.9), 1: (0.5, 0.9, 0.9, 0.9)}
    behind = {2: (0.1, 0.2, 0.3, 0.4), 3: (0.1, 0.2, 0.3, 0.4)}
    assert weights(scored({**stuck, **behind}), 0) == [1.0, 2.0]
    # The tier that was drawn has learnt: nothing changes.
    assert weights(scored({**stuck, **behind}), 1) == [1.0, 1.0]
    assert weights(scored({**stuck, 2: (), 3: ()}), 0) == [1.0, 1.0]
