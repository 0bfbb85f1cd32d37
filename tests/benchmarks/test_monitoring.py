"""What being watched costs, by both sides' figures."""

from __future__ import annotations

import pytest

from benchmarks import monitoring
from benchmarks.monitoring import Turn

ALONE = [Turn([8.0, 8.1], 26.0, 0.1), Turn([8.0], 26.2, 0.1)]


def test_training_may_take_a_hundredth_longer_and_no_more() -> None:
    for seconds, reached in ((8.07, True), (8.1, False), (7.9, True)):
        first, *_ = monitoring.rows([Turn([seconds], 28.0, 0.3)], ALONE, 500)
        assert first.reached is reached
        assert first.peer == 8.0
        assert "500 points" in first.note


def test_memory_and_processor_are_those_beyond_an_agent_without() -> None:
    _, memory, share = monitoring.rows([Turn([8.0], 33.1, 0.7)], ALONE, 500)
    assert memory.ours == pytest.approx(7.0)
    assert share.ours == pytest.approx(0.6)
    assert [memory.reached, share.reached] == [False, False]
