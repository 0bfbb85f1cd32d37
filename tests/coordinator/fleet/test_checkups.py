from __future__ import annotations

import math

import pytest

from coordinator.fleet.checkups import ASKED, PATIENCE_S, Checkups
from fedbed.errors import Refused, UsageError
from fedbed.link.health import (
    FAIL,
    LONGEST,
    MOST_FINDINGS,
    OK,
    WARN,
    Checkup,
    Finding,
    HealthReport,
)


def report(checkup: str, *levels: str, took_s: float = 1.0) -> HealthReport:
    return HealthReport(checkup, [Finding("disk", level, "found") for level in levels], took_s)


def asked(now: float = 0.0) -> Checkups:
    checkups = Checkups()
    checkups.ask("n-1", Checkup("c-1", 5), now)
    return checkups


def test_a_node_is_asked_once_and_its_answer_kept() -> None:
    checkups = asked()
    assert checkups.state("n-1", 1.0) == ASKED
    assert checkups.to_tell("n-1", 1.0) == Checkup("c-1", 5)
    assert checkups.to_tell("n-1", 1.0) is None
    assert checkups.to_tell("n-2", 1.0) is None
    checkups.answered("n-1", report("c-1", OK, WARN), 4.0)
    assert checkups.state("n-1", 5.0) == WARN
    shown = checkups.shown("n-1", 6.0)
    assert shown["pending"] is False
    assert shown["reported_s_ago"] == 2.0
    assert [f["level"] for f in shown["report"]["findings"]] == [OK, WARN]


def test_one_that_joins_anew_is_asked_again() -> None:
    checkups = asked()
    checkups.to_tell("n-1", 1.0)
    checkups.tell_again("n-1")
    assert checkups.to_tell("n-1", 2.0) == Checkup("c-1", 5)


def test_the_last_answer_stays_while_another_is_awaited() -> None:
    checkups = asked()
    checkups.answered("n-1", report("c-1", FAIL), 1.0)
    checkups.ask("n-1", Checkup("c-2"), 2.0)
    assert checkups.state("n-1", 3.0) == ASKED
    assert checkups.shown("n-1", 3.0)["report"]["checkup"] == "c-1"
    assert checkups.state("n-1", 2.0 + PATIENCE_S) == FAIL, "nobody waits for ever"
    assert checkups.to_tell("n-1", 2.0 + PATIENCE_S) is None


def test_what_nobody_asked_for_is_refused() -> None:
    checkups = asked()
    for node, of in (("n-1", "c-0"), ("n-2", "c-1")):
        with pytest.raises(Refused):
            checkups.answered(node, report(of, OK), 1.0)
    checkups.forget("n-1")
    with pytest.raises(Refused):
        checkups.answered("n-1", report("c-1", OK), 1.0)
    assert checkups.state("n-1", 1.0) == ""
    assert checkups.shown("n-1", 1.0)["checkup"] is None


def test_hostile_findings_are_refused_or_cut() -> None:
    checkups = asked()
    with pytest.raises(UsageError, match="level"):
        checkups.answered("n-1", report("c-1", "worse"), 1.0)
    with pytest.raises(UsageError, match="at most"):
        checkups.answered("n-1", report("c-1", *[OK] * (MOST_FINDINGS + 1)), 1.0)
    nasty = Finding("\x1b[2J", FAIL, "x" * 10_000, "\r\n", "\x07" * LONGEST)
    checkups.answered("n-1", HealthReport("c-1", [nasty], math.nan), 1.0)
    kept = checkups.shown("n-1", 1.0)["report"]
    assert kept["took_s"] == 0.0
    texts = list(kept["findings"][0].values())
    assert all(text.isprintable() and len(text) <= LONGEST for text in texts)
    assert texts[0] == "\\x1b[2J"
