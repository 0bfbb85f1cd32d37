from __future__ import annotations

import os

import psutil
import pytest

from benchmarks import idle, memory
from benchmarks.memory import Memory


def test_ours_and_the_peers_memory_make_the_ratio() -> None:
    first, alone, share = idle.rows(Memory(25.0, 15.0), 0.1, Memory(250.0, 180.0), 0.7, "")
    assert first.ratio == pytest.approx(10)
    assert first.reached is True
    assert "15.0 MB beside 180 MB, 12.0 times" in first.note
    assert alone.reached is True
    assert share.ratio == pytest.approx(7)


def test_without_the_peer_our_own_goals_still_count() -> None:
    found = idle.rows(Memory(31.0, 15.0), 0.1, None, None, "stock Flower isn't installed here")
    assert [row.reached for row in found] == [None, False, True]
    assert "isn't installed" in found[0].note


def test_memory_of_this_process_is_seen_and_pages_are_not_counted_twice() -> None:
    found = memory.of([psutil.Process(os.getpid())])
    assert found.resident > 10
    assert 0 < found.own <= found.resident
