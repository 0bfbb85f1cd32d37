"""What people and scripts may do. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fedbed.errors import Refused


class Role(StrEnum):
    """Each role may do what those before it may."""

    VIEWER = "viewer"
    """Look: nodes, runs, results, the live page."""
    OPERATOR = "operator"
    """Submit and stop runs, drain nodes and take them back."""
    ADMIN = "admin"
    """Enrol and remove nodes, give and take access."""

    def allows(self, wanted: Role) -> bool:
        """Whether this role may do what `wanted` may."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(wanted)


@dataclass(frozen=True)
class Caller:
    """A person or script behind a request."""

    name: str
    role: Role

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"

    def require(self, role: Role) -> None:
        """Raise Refused unless the caller may do what takes `role`."""
        if not self.role.allows(role):
            article = "a" if role is Role.VIEWER else "an"
            raise Refused(f"this takes {article} {role}, and {self.name} is {self.role} here")


ANYBODY = Caller("anybody", Role.ADMIN)
"""Who asks a coordinator that asks nobody for a token."""
