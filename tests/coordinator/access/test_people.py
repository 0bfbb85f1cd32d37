from __future__ import annotations

import pytest

from coordinator.access import tokens
from coordinator.access.people import People, Person
from coordinator.access.roles import Caller, Role
from fedbed.errors import NameTaken, NotAdmitted, NotFound, UsageError


def person(name: str = "ann", token: str = "secret", expires_at: float | None = None) -> Person:
    return Person(name, Role.OPERATOR, tokens.digest(token), "admin", 0.0, expires_at)


def test_a_token_names_its_owner_until_it_is_taken_away() -> None:
    people = People()
    people.add(person())
    assert people.by_token("secret", 1.0) == Caller("ann", Role.OPERATOR)
    people.remove("ann")
    with pytest.raises(NotAdmitted, match="wrong, or was revoked"):
        people.by_token("secret", 1.0)
    with pytest.raises(NotFound, match="'ann'"):
        people.remove("ann")


def test_a_token_expires() -> None:
    people = People()
    people.add(person(expires_at=10.0))
    assert people.by_token("secret", 9.9).name == "ann"
    with pytest.raises(NotAdmitted, match="token of ann has expired"):
        people.by_token("secret", 10.0)


def test_a_name_is_one_persons() -> None:
    people = People()
    people.add(person())
    with pytest.raises(NameTaken, match="fedbed access remove ann"):
        people.add(person(token="other"))
    assert people.by_token("secret", 1.0).name == "ann"
    people.put(person(token="other"))
    with pytest.raises(NotAdmitted):
        people.by_token("secret", 1.0)
    assert people.by_token("other", 1.0).name == "ann"


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 64, "a\nb"])
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        People().add(person(name))
