from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.runs.window import Pace, Rules, Slot, SlotState, Window

OUT, IN, FAILED = SlotState.OUT, SlotState.IN, SlotState.FAILED


def window(
    states: list[SlotState],
    quorum: int = 1,
    enough: int | None = None,
    deadline_s: float = 100.0,
    grace_s: float = 0.0,
    lost: dict[int, float] | None = None,
) -> Window:
    rules = Rules(quorum, len(states) if enough is None else enough, deadline_s, grace_s)
    made = Window("w", "r", "round 3: training", rules, 1000.0)
    for i, state in enumerate(states):
        since = (lost or {}).get(i)
        made.add(Slot(f"w.{i}", f"n-{i}", f"pi-{i}", state, since))
    return made


def test_closes_when_all_are_in() -> None:
    verdict = window([IN, IN], quorum=2).verdict(1001.0)
    assert (verdict.closed, verdict.reason, verdict.quorum_met) == (True, "all in", True)


def test_over_selection_closes_when_enough_are_in() -> None:
    assert window([IN, IN, OUT], enough=2).verdict(1001.0).closed
    assert not window([IN, OUT, OUT], enough=2).verdict(1001.0).closed


def test_enough_never_undercuts_the_quorum() -> None:
    assert not window([IN, OUT, OUT], quorum=2, enough=1).verdict(1001.0).closed


def test_the_deadline_decides_with_and_without_quorum() -> None:
    for quorum, met in ((1, True), (2, False)):
        waiting = window([IN, OUT, OUT], quorum=quorum)
        before = waiting.verdict(1099.9)
        assert not before.closed
        assert before.check_at == 1100.0
        verdict = waiting.verdict(1100.0)
        assert (verdict.closed, verdict.reason, verdict.quorum_met) == (True, "deadline", met)


def test_the_lost_are_not_waited_for_once_the_others_are_in() -> None:
    verdict = window([IN, OUT], lost={1: 1001.0}).verdict(1001.0)
    assert (verdict.closed, verdict.quorum_met) == (True, True)
    assert verdict.reason == "the others were lost"


def test_the_lost_have_their_grace() -> None:
    waiting = window([IN, OUT, OUT], grace_s=10.0, lost={1: 1001.0, 2: 1004.0})
    assert waiting.verdict(1005.0).check_at == 1014.0
    assert not waiting.verdict(1013.9).closed
    assert waiting.verdict(1014.0).closed


def test_without_quorum_the_lost_are_waited_for_until_the_deadline() -> None:
    waiting = window([IN, OUT], quorum=2, lost={1: 1001.0})
    verdict = waiting.verdict(1050.0)
    assert not verdict.closed
    assert verdict.check_at == 1100.0
    assert waiting.verdict(1100.0).closed


def test_nobody_left_closes_at_once() -> None:
    verdict = window([FAILED, IN], quorum=1).verdict(1001.0)
    assert (verdict.closed, verdict.quorum_met) == (True, True)
    assert verdict.reason == "nobody is left to wait for"
    assert not window([FAILED, FAILED]).verdict(1001.0).quorum_met
    assert window([]).verdict(1001.0).closed


def test_explains_who_is_awaited_and_for_how_long() -> None:
    waiting = window([IN, OUT, OUT, FAILED], lost={2: 1010.0})
    waiting.slots["w.3"].reason = "out of memory"
    text = waiting.explain(1051.0)
    assert text == (
        "round 3: training: 1 of 4 in; waiting for pi-1; pi-2 silent for 41 s; "
        "pi-3 failed (out of memory); closes in 49 s at the latest"
    )


def test_long_lists_of_names_are_cut() -> None:
    assert "pi-5 and 4 more" in window([OUT] * 10).explain(1000.0)


SLOTS = st.lists(
    st.tuples(st.sampled_from([OUT, IN, FAILED]), st.none() | st.floats(900.0, 1200.0)), max_size=8
)


@given(
    SLOTS,
    st.integers(1, 9),
    st.integers(1, 9),
    st.floats(0, 200),
    st.floats(0, 50),
    st.floats(0, 400),
)
def test_never_met_without_quorum_and_always_closed_at_the_deadline(
    slots: list[tuple[SlotState, float | None]],
    quorum: int,
    enough: int,
    deadline_s: float,
    grace_s: float,
    after: float,
) -> None:
    lost = {i: since for i, (_, since) in enumerate(slots) if since is not None}
    made = window([s for s, _ in slots], quorum, enough, deadline_s, grace_s, lost)
    now = made.opened_at + after
    verdict = made.verdict(now)
    arrived = sum(s is IN for s, _ in slots)
    assert verdict.quorum_met == (arrived >= quorum)
    if now >= made.opened_at + deadline_s:
        assert verdict.closed
    if verdict.closed:
        assert verdict.reason
    else:
        assert now < verdict.check_at <= made.opened_at + deadline_s
    assert made.explain(now)


@pytest.mark.parametrize(("now", "left"), [(1000.0, 100.0), (1099.0, 1.0), (1200.0, 0.0)])
def test_seconds_left(now: float, left: float) -> None:
    assert window([OUT]).seconds_left(now) == left


def test_counts_follow_what_happens_to_the_parts() -> None:
    waiting = window([OUT, OUT, OUT])
    waiting.settle("w.0", IN, "", 1001.0)
    waiting.settle("w.1", FAILED, "out of memory", 1002.0)
    assert [waiting.count(state) for state in (OUT, IN, FAILED)] == [1, 1, 1]
    (last,) = waiting.of_node("n-2")
    waiting.contact(last, 1003.0)
    assert waiting.verdict(1003.0).reason == "the others were lost"
    waiting.contact(last, None)
    assert not waiting.verdict(1004.0).closed
    waiting.contact(last, 1005.0)
    waiting.settle("w.2", IN, "", 1006.0)
    assert waiting.verdict(1006.0).reason == "nobody is left to wait for"
    assert waiting.of_node("n-9") == []


def paced(least_s: float = 1.0, quorum: int = 1) -> Window:
    pace = Pace(count=2, factor=1.5, least_s=least_s)
    made = Window("w", "r", "round 3: training", Rules(quorum, 3, 100.0, pace=pace), 1000.0)
    for i in range(3):
        made.add(Slot(f"w.{i}", f"n-{i}", f"pi-{i}"))
    return made


def test_once_most_are_in_the_others_have_a_multiple_of_their_time() -> None:
    waiting = paced()
    waiting.settle("w.0", IN, "", 1004.0)
    assert waiting.verdict(1004.0).check_at == 1100.0
    waiting.settle("w.1", IN, "", 1010.0)
    verdict = waiting.verdict(1010.0)
    assert (verdict.closed, verdict.check_at) == (False, 1015.0)
    assert (waiting.limit_s, waiting.seconds_left(1010.0)) == (15.0, 5.0)
    late = waiting.verdict(1015.0)
    assert (late.closed, late.reason, late.quorum_met) == (True, "deadline", True)


def test_failures_set_no_pace_and_neither_do_those_who_come_later() -> None:
    waiting = paced()
    waiting.settle("w.0", FAILED, "out of memory", 1001.0)
    waiting.settle("w.1", IN, "", 1010.0)
    assert waiting.limit_s == 100.0
    waiting = paced()
    for i, at in enumerate((1002.0, 1004.0, 1005.0)):
        waiting.settle(f"w.{i}", IN, "", at)
    assert waiting.limit_s == 6.0


def test_a_pace_never_undercuts_its_least_the_quorum_or_the_deadline() -> None:
    for made, wanted in ((paced(least_s=20.0), 20.0), (paced(quorum=3), 100.0)):
        made.settle("w.0", IN, "", 1001.0)
        made.settle("w.1", IN, "", 1002.0)
        assert made.limit_s == wanted
    slow = paced()
    slow.settle("w.0", IN, "", 1001.0)
    slow.settle("w.1", IN, "", 1099.0)
    assert slow.limit_s == 100.0
