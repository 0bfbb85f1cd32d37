"""Access with its clock and its memory in the database."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from coordinator.access import tokens
from coordinator.access.enrolments import Enrolment, Enrolments
from coordinator.access.people import People, Person
from coordinator.access.roles import ANYBODY, Caller, Role
from coordinator.store import tables
from coordinator.store.database import Database
from fedbed.disk import write_secret
from fedbed.errors import NotAdmitted, Refused
from fedbed.logs import printable

log = logging.getLogger("fedbed.access")
ADMIN = "admin"
ADMIN_FILE = "admin.token"
"""The first administrator's token, in the state folder: who can read that may do all this anyway.
"""


class AccessService:
    """Who asks, and whether a node may join. `enrolled`: whether anybody is asked at all."""

    def __init__(self, database: Database, state_dir: Path, enrolled: bool) -> None:
        self.enrolled = enrolled
        self._database = database
        self._state_dir = state_dir
        self._people = People()
        self._enrolments = Enrolments()

    def start(self) -> None:
        """Remember who has access; see that an administrator has. OSError for the token's file."""
        people, enrolments = self._database.read(_all)
        self._people.restore(people)
        self._enrolments.restore(enrolments)
        if self.enrolled:
            self._admit_admin()

    def caller(self, token: str) -> Caller:
        """Return who asks; NotAdmitted if that can't be told."""
        if not self.enrolled:
            return ANYBODY
        if not token:
            raise NotAdmitted(
                "this takes an access token: name a file that holds yours with --token-file "
                f"(the first one lies in the coordinator's state folder: {ADMIN_FILE})"
            )
        return self._people.by_token(token, time.time())

    def holder(self, token: str) -> str | None:
        """Return whose access token this is, None if nobody's."""
        try:
            return f"person:{self._people.by_token(token, time.time()).name}" if token else None
        except NotAdmitted:
            return None

    def admit_node(self, token: str, name: str) -> Enrolment | None:
        """Let a node in that isn't known by its key; None where nobody is asked for a token."""
        return self._enrolments.admit(token, name, time.time()) if self.enrolled else None

    def would_admit_node(self, token: str, name: str) -> None:
        """Raise what `admit_node` would, and use nothing up."""
        if self.enrolled:
            self._enrolments.examine(token, name, time.time())

    def turn_away(self, enrolment: Enrolment | None, name: str) -> None:
        """Undo `admit_node`: the node could not be entered after all."""
        if enrolment is not None:
            self._enrolments.give_back(enrolment, name)

    def note(self, caller: Caller, peer: str, what: str) -> None:
        """Leave a trace of who asks for a change, and from where."""
        log.info("%s at %s asks for %s", caller, peer, what)

    async def enrol(
        self, by: Caller, uses: int, expires_s: float, names: Sequence[str], label: str
    ) -> tuple[Enrolment, str]:
        """Make an enrolment token; returns what is kept of it, and the token."""
        token = tokens.make(tokens.ENROLMENT)
        now = time.time()
        enrolment = Enrolment(
            id="e-" + secrets.token_hex(4),
            token_sha256=tokens.digest(token),
            label=printable(label),
            made_by=by.name,
            made_at=now,
            expires_at=now + expires_s,
            uses=uses,
            names=list(names),
        )
        await self._database.write(lambda s: save(s, enrolment))
        self._enrolments.add(enrolment)
        return enrolment, token

    async def revoke(self, enrolment_id: str) -> Enrolment:
        """Let nobody else in with a token; NotFound."""
        enrolment = self._enrolments.get(enrolment_id)
        enrolment.revoked = True
        await self._database.write(lambda s: save(s, enrolment))
        return enrolment

    def enrolments(self) -> list[dict[str, Any]]:
        """Describe all enrolment tokens, newest first."""
        now = time.time()
        newest = sorted(self._enrolments, key=lambda e: -e.made_at)
        return [{**_shown(asdict(e)), "state": e.state(now)} for e in newest]

    async def add(self, by: Caller, name: str, role: Role, expires_s: float | None) -> str:
        """Give access; returns the token. UsageError or NameTaken for a name that won't do."""
        token = tokens.make(tokens.ACCESS)
        now = time.time()
        expires_at = None if expires_s is None else now + expires_s
        person = Person(name, role, tokens.digest(token), by.name, now, expires_at)
        self._people.add(person)
        try:
            await self._database.write(lambda s: _save_person(s, person))
        except Exception:
            self._people.remove(name)
            raise
        return token

    async def remove(self, name: str) -> None:
        """Take access away; its token is void at once. NotFound, Refused for the last admin.

        The first administrator gets a new token at the next start.
        """
        admins = [person.name for person in self._people if person.role is Role.ADMIN]
        if admins == [name]:
            raise Refused(f"{name} is the only admin here: give somebody else that role first")
        self._people.remove(name)
        if name == ADMIN:
            (self._state_dir / ADMIN_FILE).unlink(missing_ok=True)
        await self._database.write(lambda s: s.query(tables.Person).filter_by(name=name).delete())

    def people(self) -> list[dict[str, Any]]:
        """Describe all who have access, by name."""
        return [_shown(asdict(person)) for person in sorted(self._people, key=lambda p: p.name)]

    def _admit_admin(self) -> None:
        """The file is the key: where it is missing, a new one takes the old one's place."""
        path = self._state_dir / ADMIN_FILE
        token = path.read_text().strip() if path.is_file() else ""
        if not tokens.has_form(token, tokens.ACCESS):
            token = tokens.make(tokens.ACCESS)
            write_secret(path, token + "\n")
        person = Person(ADMIN, Role.ADMIN, tokens.digest(token), "the coordinator", time.time())
        self._people.put(person)
        self._database.note(lambda s: _save_person(s, person))
        log.info("who has the token in %s is an admin here", path)


def save(session: Session, enrolment: Enrolment) -> None:
    """Write an enrolment token's row."""
    session.merge(tables.Enrolment(**asdict(enrolment)))


def _save_person(session: Session, person: Person) -> None:
    session.merge(tables.Person(**asdict(person)))


def _all(session: Session) -> tuple[list[Person], list[Enrolment]]:
    people = [
        Person(p.name, Role(p.role), p.token_sha256, p.made_by, p.made_at, p.expires_at)
        for p in session.query(tables.Person)
    ]
    enrolments = [
        Enrolment(
            e.id, e.token_sha256, e.label, e.made_by, e.made_at, e.expires_at, e.uses,
            list(e.names), list(e.used_by), e.revoked,
        )
        for e in session.query(tables.Enrolment)
    ]  # fmt: skip
    return people, enrolments


def _shown(fields: dict[str, Any]) -> dict[str, Any]:
    """Leave out what even an administrator has no use for."""
    return {key: value for key, value in fields.items() if key != "token_sha256"}
