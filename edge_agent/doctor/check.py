"""What all checks have in common: how they are described, grouped, and what they conclude."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, List, Optional, Tuple

from edge_agent.doctor.setup import Setup
from fedbed.link.health import FAIL, OK, SKIPPED, WARN, Finding


@dataclass(frozen=True)
class Check:
    """One check, as docs/doctor.md describes it.

    warns, fails: when, in words; empty: never. why: what becomes of a node that has this. mend:
    the command for most cases; a finding may name a closer one. source: where the limit or the
    file that is read is documented.
    """

    name: str
    warns: str
    fails: str
    why: str
    mend: str
    source: str = ""

    def ok(self, found: str) -> Finding:
        """Conclude that all is well."""
        return Finding(self.name, OK, found)

    def skipped(self, reason: str) -> Finding:
        """Conclude nothing."""
        return Finding(self.name, SKIPPED, reason)

    def warn(self, found: str, mend: Optional[str] = None) -> Finding:
        """The node trains, but worse than it could, or not for long."""
        return Finding(self.name, WARN, found, self.why, self.mend if mend is None else mend)

    def fail(self, found: str, mend: Optional[str] = None) -> Finding:
        """The node can't train like this."""
        return Finding(self.name, FAIL, found, self.why, self.mend if mend is None else mend)


@dataclass(frozen=True)
class Group:
    """Checks that read the same things, one after the other; groups run at the same time.

    examine: returns a finding for each check; may raise anything. limit_s: for all of them.
    overrun: how bad it is to take longer.
    """

    name: str
    checks: Tuple[Check, ...]
    examine: Callable[[Setup], List[Finding]]
    limit_s: float = 5.0
    overrun: str = WARN
