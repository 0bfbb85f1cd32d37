"""Access tokens of people and scripts: name, role, expiry. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from coordinator.access import tokens
from coordinator.access.roles import Caller, Role
from fedbed.errors import NameTaken, NotAdmitted, NotFound, UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")


@dataclass
class Person:
    """A person or script with access, without the token itself; `expires_at` None: never."""

    name: str
    role: Role
    token_sha256: str = field(repr=False)
    made_by: str
    made_at: float
    expires_at: float | None = None


class People:
    """All who have access."""

    def __init__(self) -> None:
        self._by_name: dict[str, Person] = {}
        self._by_token: dict[str, Person] = {}

    def __iter__(self) -> Iterator[Person]:
        return iter(self._by_name.values())

    def restore(self, people: Iterable[Person]) -> None:
        """Take over what the database remembers."""
        for person in people:
            self._enter(person)

    def add(self, person: Person) -> None:
        """Give access; UsageError for a malformed name, NameTaken for one that has access."""
        if not _NAME.fullmatch(person.name):
            raise UsageError("a name holds letters, digits, '.', '_', '@' and '-' only, 63 at most")
        if person.name in self._by_name:
            raise NameTaken(
                f"'{person.name}' has access already: take it with "
                f"`fedbed access remove {person.name}` first"
            )
        self._enter(person)

    def put(self, person: Person) -> None:
        """Give access in place of whatever the name had."""
        if person.name in self._by_name:
            self.remove(person.name)
        self._enter(person)

    def remove(self, name: str) -> Person:
        """Take access away, at once; NotFound."""
        if name not in self._by_name:
            raise NotFound(f"nobody called '{name}' has access here")
        person = self._by_name.pop(name)
        del self._by_token[person.token_sha256]
        return person

    def by_token(self, token: str, now: float) -> Caller:
        """Return who a token belongs to; NotAdmitted if nobody, or not any more."""
        person = self._by_token.get(tokens.digest(token))
        if person is None:
            raise NotAdmitted("this access token is not valid here: it is wrong, or was revoked")
        if person.expires_at is not None and now >= person.expires_at:
            raise NotAdmitted(f"the access token of {person.name} has expired")
        return Caller(person.name, person.role)

    def _enter(self, person: Person) -> None:
        self._by_name[person.name] = person
        self._by_token[person.token_sha256] = person
