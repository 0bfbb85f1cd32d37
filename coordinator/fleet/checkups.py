"""Which nodes were asked to examine themselves, and what they found. Pure: the clock comes in.

Kept in memory alone: after a restart nobody remembers what a node looked like before it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from fedbed.errors import Refused, UsageError
from fedbed.link.health import LEVELS, MOST_FINDINGS, Checkup, HealthReport, bounded, worst
from fedbed.link.messages import unparse

ASKED = "asked"
"""What the picture shows of a node that hasn't answered yet; else the worst level, or nothing."""
PATIENCE_S = 60.0
"""After so long without an answer there will be none."""


@dataclass
class _File:
    """What is known of one node."""

    checkup: Checkup
    asked_at: float
    told: bool = False
    report: HealthReport | None = None
    """The latest, perhaps of an earlier check-up."""
    reported_at: float = 0.0

    def is_pending(self, now: float) -> bool:
        answered = self.report is not None and self.report.checkup == self.checkup.id
        return not answered and now - self.asked_at < PATIENCE_S


def new_id() -> str:
    """Make a check-up's id up."""
    return "c-" + secrets.token_hex(4)


class Checkups:
    """By node id."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def ask(self, node: str, checkup: Checkup, now: float) -> None:
        """Have a node asked with its next poll."""
        before = self._files.get(node)
        file = self._files[node] = _File(checkup, now)
        if before is not None:
            file.report, file.reported_at = before.report, before.reported_at

    def to_tell(self, node: str, now: float) -> Checkup | None:
        """Return what a node is to be asked, once."""
        file = self._files.get(node)
        if file is None or file.told or not file.is_pending(now):
            return None
        file.told = True
        return file.checkup

    def tell_again(self, node: str) -> None:
        """The node has joined anew: what it was asked before that is lost."""
        file = self._files.get(node)
        if file is not None:
            file.told = False

    def answered(self, node: str, report: HealthReport, now: float) -> None:
        """Take a node's findings.

        Raises Refused if it wasn't asked for them, UsageError if they are none.
        """
        file = self._files.get(node)
        if file is None or report.checkup != file.checkup.id:
            raise Refused("nobody has asked this node for that check-up, or for another one since")
        if len(report.findings) > MOST_FINDINGS:
            raise UsageError(f"findings: {MOST_FINDINGS} at most")
        for finding in report.findings:
            if finding.level not in LEVELS:
                raise UsageError(f"findings: a level is one of {', '.join(LEVELS)}")
        # In this order NaN comes out as 0.
        took_s = max(0.0, min(report.took_s, 3600.0))
        file.report = HealthReport(report.checkup, bounded(report.findings), took_s, report.busy)
        file.reported_at = now

    def forget(self, node: str) -> None:
        """The node is off the books."""
        self._files.pop(node, None)

    def state(self, node: str, now: float) -> str:
        """Return how a node is in a word: ASKED, the worst of its findings, or nothing."""
        file = self._files.get(node)
        if file is None:
            return ""
        if file.is_pending(now):
            return ASKED
        return worst(file.report.findings) if file.report is not None else ""

    def shown(self, node: str, now: float) -> dict[str, Any]:
        """Describe the latest check-up of a node; `report` is null until there is one."""
        file = self._files.get(node)
        if file is None:
            return {"checkup": None, "pending": False, "report": None, "reported_s_ago": None}
        reported = file.report is not None
        return {
            "checkup": file.checkup.id,
            "pending": file.is_pending(now),
            "report": unparse(file.report) if reported else None,
            "reported_s_ago": round(now - file.reported_at, 1) if reported else None,
        }
