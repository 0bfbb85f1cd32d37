"""Taking longer on purpose."""

from __future__ import annotations

import time

import pytest

from edge_agent.worker.job import JobAborted
from edge_agent.worker.straggler import prolong


def test_it_waits_in_proportion_and_tells_of_it() -> None:
    shares: list[float] = []
    pauses: list[float] = []

    def work(progress: object) -> str:
        assert callable(progress)
        time.sleep(0.02)
        progress(0.5)
        progress(1.0)
        return "done"

    began = time.monotonic()
    assert prolong(5.0, work, shares.append, pauses.append) == "done"
    most = 4 * (time.monotonic() - began)
    assert 4 * 0.02 <= sum(pauses) <= most
    assert shares[:2] == [0.1, 0.2]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert max(b - a for a, b in zip(shares[1:], shares[2:], strict=False)) < 0.05


def test_who_is_not_slowed_does_not_wait() -> None:
    pauses: list[float] = []
    prolong(1.0, lambda progress: progress(1.0), lambda _share: None, pauses.append)
    assert sum(pauses) == 0


def test_the_wait_ends_with_the_round() -> None:
    def closed(_seconds: float) -> None:
        raise JobAborted

    with pytest.raises(JobAborted):
        prolong(1000.0, lambda _progress: None, lambda _share: None, closed)
