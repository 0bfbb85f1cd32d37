"""What a node's check-up finds, and how a coordinator asks for one.

Plain dataclasses as in `fedbed.link.messages`. Standard library only, Python 3.8: nodes use this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Iterable, List

from fedbed.logs import printable

OK, SKIPPED, WARN, FAIL = "ok", "skipped", "warn", "fail"
LEVELS = (SKIPPED, OK, WARN, FAIL)
"""From the one that says least to the worst."""
CHECKUP = "checkup"
"""The ability of a node to examine itself when its coordinator asks for it."""
LIMIT_S = 15.0
"""A check-up takes no longer; what isn't known by then is a finding of its own."""
MOST_FINDINGS = 64
LONGEST = 400
"""Characters of each of a finding's texts: what it quotes may be of any length."""


@dataclass
class Finding:
    """What one check has found. why and mend are empty where there is nothing to mend.

    mend: the command that mends it, or what to do where no command can.
    """

    check: str
    level: str
    found: str
    why: str = ""
    mend: str = ""


@dataclass
class Checkup:
    """What a node is asked to examine itself for; without needs, for anything that it may get."""

    id: str
    memory_bytes: int = 0
    """What the worker will take of a task that is planned; 0: not known."""
    packages: List[str] = field(default_factory=list)
    """Those that the planned task needs in the worker's interpreter."""
    dataset: str = ""
    """One that must lie on the node; empty: none has to."""


@dataclass
class HealthReport:
    """The answer to a Checkup of that id."""

    checkup: str
    findings: List[Finding]
    took_s: float = 0.0
    busy: bool = False
    """Whether the node was training, so that what would have disturbed that was left out."""


@dataclass
class KnockRequest:
    """Would this node be let in? And how long does it take to carry so much there and back?"""

    name: str
    key: str = field(repr=False)
    padding: str = field(default="", repr=False)
    """Of any length that the coordinator takes: measures the way up."""
    want_bytes: int = 0
    """How much padding the answer shall hold: measures the way down."""


@dataclass
class KnockReply:
    """It would be. known: as a node that has joined before."""

    known: bool
    now_s: float
    """The coordinator's clock, in seconds since 1970."""
    withheld: str = ""
    """Why it would get no work; empty if it would."""
    padding: str = field(default="", repr=False)


def bounded(findings: Iterable[Finding]) -> List[Finding]:
    """Return findings without what terminals obey, each text of LONGEST characters at most."""
    return [
        Finding(*(_short(text) for text in (f.check, f.level, f.found, f.why, f.mend)))
        for f in findings
    ]


def _short(text: str) -> str:
    shown = printable(str(text)[:LONGEST])
    return shown if len(shown) <= LONGEST else shown[:LONGEST]


def worst(findings: Iterable[Finding]) -> str:
    """Return the worst level among findings; `skipped` if there are none."""
    return max((f.level for f in findings), key=LEVELS.index, default=SKIPPED)


def counts(findings: Iterable[Finding]) -> Dict[str, int]:
    """Return how many findings there are of each level, the worst first."""
    found = dict.fromkeys(reversed(LEVELS), 0)
    for finding in findings:
        found[finding.level] += 1
    return found
