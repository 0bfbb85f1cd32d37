"""Runs all groups of checks at the same time, each within its limit."""

from __future__ import annotations

import queue
import threading
import time
from typing import Callable, Dict, List, Sequence, Tuple

from edge_agent.doctor import (
    data,
    heat,
    interpreters,
    link,
    machine,
    storage,
    timekeeping,
    torch_build,
)
from edge_agent.doctor.check import Check, Group
from edge_agent.doctor.setup import Setup
from fedbed.link.health import FAIL, Finding

GROUPS: Tuple[Group, ...] = (
    interpreters.GROUP,
    torch_build.GROUP,
    machine.GROUP,
    storage.GROUP,
    heat.GROUP,
    timekeeping.GROUP,
    link.GROUP,
    data.GROUP,
)
"""In the order in which they are shown."""
AGAIN = "fedbed doctor   # again: what was read once comes faster the second time"
Waiting = Callable[[int, Sequence[str]], None]
"""Called with the number of checks that are done, and the groups that are not."""


def checks(groups: Sequence[Group] = GROUPS) -> List[Check]:
    """Return all checks."""
    return [check for group in groups for check in group.checks]


def examine(
    setup: Setup,
    groups: Sequence[Group] = GROUPS,
    waiting: Waiting = lambda _done, _groups: None,
) -> List[Finding]:
    """Return a finding for each check of all groups, in their order. Raises nothing.

    A group that overruns its limit is given up; its thread can't keep the process from ending.
    """
    began = time.monotonic()
    done: queue.Queue[Tuple[str, List[Finding]]] = queue.Queue()
    for group in groups:
        threading.Thread(target=_run, args=(group, setup, done), daemon=True).start()
    found: Dict[str, List[Finding]] = {}
    while len(found) < len(groups):
        open_ = [group for group in groups if group.name not in found]
        waiting(sum(map(len, found.values())), [group.name for group in open_])
        first = min(open_, key=lambda group: group.limit_s)
        try:
            name, findings = done.get(timeout=max(0.0, began + first.limit_s - time.monotonic()))
        except queue.Empty:
            name, findings = first.name, [_overrun(first, check) for check in first.checks]
        found.setdefault(name, findings)
    waiting(len(checks(groups)), [])
    return [finding for group in groups for finding in found[group.name]]


def _run(group: Group, setup: Setup, done: queue.Queue[Tuple[str, List[Finding]]]) -> None:
    try:
        findings = group.examine(setup)
    except Exception as error:  # noqa: BLE001 - whatever a machine makes of a check is a finding
        text = f"could not be looked at: {type(error).__name__}: {error}"
        findings = [check.warn(text, AGAIN) for check in group.checks]
    done.put((group.name, findings))


def _overrun(group: Group, check: Check) -> Finding:
    text = f"was not known after {group.limit_s:g} s"
    return check.fail(text, AGAIN) if group.overrun == FAIL else check.warn(text, AGAIN)
