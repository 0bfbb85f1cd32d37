from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fedbed.chaos.invariants import Facts, Holdings, check, lost

EXPECT = ("same_model", "same_participants")


def entry(number: int, *partitions: int) -> dict[str, Any]:
    return {"round": number, "nodes": [{"partition": p} for p in partitions]}


GOOD = Facts("finished", "", 2, 2, "abc", 0.9, [entry(1, 0, 1), entry(2, 1, 0)])
TAKEN = Holdings(done={"r.1.0": "a", "r.1.1": "b", "r.2.0": "c", "r.2.1": "d"})


def names(facts: Facts = GOOD, holdings: Holdings = TAKEN, **more: Any) -> list[str]:
    return [broken.invariant for broken in check(facts, holdings, **more)]


def test_a_good_run_breaks_nothing() -> None:
    assert names(undisturbed=GOOD, expect=EXPECT, carried={"r.2.1": "d"}) == []


def test_a_run_that_ended_otherwise() -> None:
    failed = Facts("failed", "no quorum", 2, 2)
    (broken,) = check(failed, Holdings(), undisturbed=GOOD, expect=EXPECT)
    assert str(broken) == "the run finishes: it failed: no quorum"


@pytest.mark.parametrize(
    ("history", "broken"),
    [
        ([entry(1, 0, 1)], ["every round once", "every update counts"]),
        ([entry(1, 0, 1), entry(1, 0, 1)], ["every round once"]),
        ([entry(1, 0, 1), entry(2, 0, 0)], ["no update counts twice"]),
        ([entry(1, 0, 1), entry(2, 0)], ["every update counts"]),
    ],
)
def test_rounds_and_updates_count_once(history: list[dict[str, Any]], broken: list[str]) -> None:
    assert names(replace(GOOD, history=history)) == broken


def test_other_participants_and_another_model_break_only_what_is_expected() -> None:
    other = replace(GOOD, model_sha256="abd", history=[entry(1, 0, 1), entry(2, 0)])
    holdings = replace(TAKEN, done={"r.1.0": "a", "r.1.1": "b", "r.2.0": "c"})
    assert names(other, holdings, undisturbed=GOOD) == []
    assert names(other, holdings, undisturbed=GOOD, expect=EXPECT) == [
        "same participants",
        "same model",
    ]


def test_an_update_that_was_trained_again_is_lost() -> None:
    carried = {"r.1.0": "a", "r.2.1": "z"}
    assert lost(TAKEN, carried) == ["r.2.1"]
    assert names(carried=carried) == ["no trained update is lost"]


@pytest.mark.parametrize(
    ("found", "broken"),
    [
        ({"database": "row 3 missing"}, "database"),
        ({"open": ["r.2.1"]}, "no work is left open"),
        ({"spooled": ["r.2.1 on node-1"]}, "spools are empty"),
        ({"half_written": ["node-1/spool/.x.part"]}, "no half-written file"),
        ({"damaged": ["node-1/blobs/ab"]}, "no damaged file"),
        ({"tracebacks": ["coordinator.log: ValueError"]}, "no traceback in a log"),
    ],
)
def test_what_lies_about_is_named(found: dict[str, Any], broken: str) -> None:
    assert names(holdings=replace(TAKEN, **found)) == [broken]
