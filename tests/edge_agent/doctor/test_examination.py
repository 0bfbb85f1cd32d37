from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

from edge_agent.config import AgentConfig
from edge_agent.doctor import setup as setups
from edge_agent.doctor.check import Check, Group
from edge_agent.doctor.examination import GROUPS, checks, examine
from edge_agent.doctor.setup import Setup
from fedbed.link.health import FAIL, LIMIT_S, LONGEST, OK, WARN, Checkup, Finding

FIRST, SECOND = (Check(name, "", "", "why", "mend") for name in ("first", "second"))


def fine(_setup: Setup) -> list[Finding]:
    return [FIRST.ok("fine")]


def test_there_are_enough_checks_and_each_explains_itself() -> None:
    found = checks()
    assert len({check.name for check in found}) == len(found) >= 15
    for check in found:
        assert check.warns or check.fails, check.name
        assert check.why, check.name
        assert check.mend, check.name
        assert max(map(len, (check.why, check.mend))) <= LONGEST, f"{check.name} would be cut"


def test_the_limits_keep_the_whole_within_15_seconds() -> None:
    assert max(group.limit_s for group in GROUPS) + 1.5 <= LIMIT_S


def test_a_group_that_hangs_is_given_up(setup: Setup) -> None:
    forever = threading.Event()

    def hang(_setup: Setup) -> list[Finding]:
        forever.wait(30)
        return []

    groups = [
        Group("hangs", (SECOND,), hang, limit_s=0.2, overrun=FAIL),
        Group("works", (FIRST,), fine),
    ]
    began = time.monotonic()
    second, first = examine(setup, groups)
    assert time.monotonic() - began < 5
    forever.set()
    assert (first.level, second.level) == (OK, FAIL)
    assert second.found == "was not known after 0.2 s"


def test_a_group_that_raises_is_a_finding(setup: Setup) -> None:
    def broken(_setup: Setup) -> list[Finding]:
        raise ZeroDivisionError("by nothing")

    (finding,) = examine(setup, [Group("broken", (FIRST,), broken)])
    assert finding.level == WARN
    assert finding.found == "could not be looked at: ZeroDivisionError: by nothing"


def test_groups_run_at_the_same_time_and_say_what_is_waited_for(setup: Setup) -> None:
    both = threading.Barrier(2)

    def met(check: Check) -> list[Finding]:
        both.wait(10)
        return [check.ok("met")]

    groups = [
        Group("a", (FIRST,), lambda _setup: met(FIRST)),
        Group("b", (SECOND,), lambda _setup: met(SECOND)),
    ]
    heard: list[tuple[int, list[str]]] = []
    found = examine(setup, groups, lambda done, waiting: heard.append((done, list(waiting))))
    assert [finding.found for finding in found] == ["met", "met"]
    assert heard[0] == (0, ["a", "b"])
    assert heard[-1] == (2, [])


def test_what_a_child_is_told_survives_the_way(tmp_path: Path) -> None:
    config = AgentConfig("http://c:1", "pi-1", tmp_path, ca=tmp_path / "ca.pem", threads=2)
    checkup = Checkup("c-1", 10, ["torch"], "mnist")
    told = replace(setups.of(config, checkup, light=True), sysfs=Path("/nowhere"))
    assert setups.unpack(json.loads(json.dumps(setups.pack(told)))) == told
