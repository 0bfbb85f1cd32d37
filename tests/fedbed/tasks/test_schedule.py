from __future__ import annotations

import pytest

from fedbed.tasks.schedule import fit_seed, learning_rate, window


def rates(schedule: str, decay: float, rounds: int = 10) -> list[float]:
    return [learning_rate(0.4, schedule, decay, r, rounds) for r in range(1, rounds + 1)]


def test_constant() -> None:
    assert rates("constant", 1.0) == [0.4] * 10
    assert rates("constant", 0.5)[:4] == [0.4, 0.2, 0.1, 0.05]


def test_cosine_starts_whole_is_halved_in_the_middle_and_ends_near_zero() -> None:
    found = rates("cosine", 1.0)
    assert found[0] == 0.4
    assert found[5] == pytest.approx(0.2)
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] < 0.02
    assert learning_rate(0.4, "cosine", 1.0, 11, 10) == pytest.approx(0.0)
    assert rates("cosine", 0.5)[5] == pytest.approx(0.2 / 32)
    assert rates("cosine", 1.0, rounds=1) == [0.4]


def test_the_rate_warms_up_and_the_cosine_takes_the_rounds_that_are_left() -> None:
    found = [learning_rate(0.4, "constant", 1.0, r, 10, 3) for r in range(1, 11)]
    assert found == pytest.approx([0.1, 0.2, 0.3, *[0.4] * 7])
    cosine = [learning_rate(0.4, "cosine", 1.0, r, 10, 3) for r in range(1, 11)]
    assert cosine[:3] == pytest.approx(found[:3])
    assert cosine[3:] == pytest.approx(
        [learning_rate(0.4, "cosine", 1.0, r, 7) for r in range(1, 8)]
    )


def test_a_cosine_holds_the_full_rate_before_it_falls() -> None:
    found = [learning_rate(0.4, "cosine", 1.0, r, 10, 2, 5) for r in range(1, 11)]
    assert found[2:7] == pytest.approx([0.4] * 5)
    assert found[7:] == pytest.approx(
        [learning_rate(0.4, "cosine", 1.0, r, 3) for r in range(1, 4)]
    )
    assert 0 < found[-1] < found[-2] < 0.4


def test_fit_seeds_differ_by_run_round_and_partition() -> None:
    seeds = {fit_seed(s, r, p) for s in range(10) for r in range(1, 31) for p in range(30)}
    assert len(seeds) == 10 * 30 * 30
    assert all(0 <= seed < 2**32 for seed in seeds)
    for bit in range(32):
        share = sum(seed >> bit & 1 for seed in seeds) / len(seeds)
        assert 0.45 < share < 0.55


def test_fit_seeds_are_frozen() -> None:
    """They decide results: a change would break the repetition of earlier runs."""
    assert fit_seed(0, 1, 0) == 1669312456
    assert fit_seed(2**32 - 1, 1000, 999) == 438048691


def test_whole_passes_follow_each_other() -> None:
    assert [window(2, 30, r) for r in (1, 2, 3)] == [(0, 60), (60, 60), (120, 60)]


def test_parts_of_a_pass_leave_no_gap_and_no_overlap() -> None:
    windows = [window(0.3, 7, r) for r in range(1, 11)]
    assert sum(samples for _, samples in windows) == 21
    for (first, samples), (following, _) in zip(windows, windows[1:]):
        assert first + samples == following


def test_a_round_sees_a_sample_at_least() -> None:
    assert all(window(0.01, 3, r)[1] == 1 for r in range(1, 50))
