"""Enrolment tokens: how many nodes each admits, until when, and which it has admitted. Pure.

Times are seconds since 1970 by the coordinator's clock; no node's clock matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from coordinator.access import tokens
from fedbed.errors import NotAdmitted, NotFound

_HOW = "`fedbed enrol` on the coordinator makes a new token"


@dataclass
class Enrolment:
    """One token, without the token itself. `names` are those that it admits; empty: any."""

    id: str
    token_sha256: str = field(repr=False)
    label: str
    made_by: str
    made_at: float
    expires_at: float
    uses: int
    names: list[str] = field(default_factory=list)
    used_by: list[str] = field(default_factory=list)
    revoked: bool = False

    def state(self, now: float) -> str:
        """Return valid, revoked, expired or used up."""
        if self.revoked:
            return "revoked"
        if now >= self.expires_at:
            return "expired"
        return "used up" if len(self.used_by) >= self.uses else "valid"


class Enrolments:
    """All enrolment tokens of a coordinator."""

    def __init__(self) -> None:
        self._by_id: dict[str, Enrolment] = {}
        self._by_token: dict[str, Enrolment] = {}

    def __iter__(self) -> Iterator[Enrolment]:
        return iter(self._by_id.values())

    def restore(self, enrolments: Iterable[Enrolment]) -> None:
        """Take over what the database remembers."""
        for enrolment in enrolments:
            self.add(enrolment)

    def add(self, enrolment: Enrolment) -> None:
        """Enter a new token."""
        self._by_id[enrolment.id] = enrolment
        self._by_token[enrolment.token_sha256] = enrolment

    def get(self, enrolment_id: str) -> Enrolment:
        """Return a token by its id; NotFound."""
        if enrolment_id not in self._by_id:
            raise NotFound(f"there is no enrolment token '{enrolment_id}'")
        return self._by_id[enrolment_id]

    def admit(self, token: str, name: str, now: float) -> Enrolment:
        """Use a token once, for the node `name`; NotAdmitted says why it won't do."""
        enrolment = self.examine(token, name, now)
        enrolment.used_by.append(name)
        return enrolment

    def examine(self, token: str, name: str, now: float) -> Enrolment:
        """Return a token that would let the node in; NotAdmitted says why there is none."""
        if not token:
            raise NotAdmitted(
                f"'{name}' is not enrolled here: give its agent a token with --enrol-file ({_HOW})"
            )
        enrolment = self._by_token.get(tokens.digest(token))
        if enrolment is None:
            raise NotAdmitted(f"'{name}' brought an enrolment token that is not known here: {_HOW}")
        state = enrolment.state(now)
        if state != "valid":
            by = f" by {', '.join(enrolment.used_by[:3])}" if state == "used up" else ""
            raise NotAdmitted(f"the enrolment token {enrolment.id} is {state}{by}: {_HOW}")
        if enrolment.names and name not in enrolment.names:
            allowed = ", ".join(enrolment.names[:5])
            raise NotAdmitted(
                f"the enrolment token {enrolment.id} is for {allowed}, not for '{name}'"
            )
        return enrolment

    @staticmethod
    def give_back(enrolment: Enrolment, name: str) -> None:
        """Undo `admit` for a node that could not be entered after all."""
        enrolment.used_by.remove(name)
