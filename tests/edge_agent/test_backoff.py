from __future__ import annotations

import random

from edge_agent.backoff import Backoff


def test_waits_double_up_to_the_cap_and_stay_within_their_bounds() -> None:
    backoff = Backoff(first_s=0.2, cap_s=4.0, rng=random.Random(1))
    ceilings = [0.2, 0.4, 0.8, 1.6, 3.2, 4.0, *[4.0] * 2000]
    for ceiling in ceilings:
        assert ceiling / 2 <= backoff.next_s() <= ceiling


def test_waits_are_spread_over_the_whole_range() -> None:
    waits = [Backoff(1.0, 8.0, random.Random(seed)).next_s() for seed in range(300)]
    assert min(waits) < 0.55
    assert max(waits) > 0.95
    assert len(set(waits)) == 300


def test_two_agents_do_not_wait_alike() -> None:
    one, other = Backoff(), Backoff()
    assert [one.next_s() for _ in range(5)] != [other.next_s() for _ in range(5)]


def test_a_success_starts_it_anew() -> None:
    backoff = Backoff(first_s=0.2, cap_s=4.0)
    for _ in range(9):
        backoff.next_s()
    assert backoff.next_s() >= 2.0
    backoff.reset()
    assert backoff.next_s() <= 0.2
