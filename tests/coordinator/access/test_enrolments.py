from __future__ import annotations

from typing import Any

import pytest

from coordinator.access import tokens
from coordinator.access.enrolments import Enrolment, Enrolments
from fedbed.errors import NotAdmitted, NotFound

TOKEN = tokens.make(tokens.ENROLMENT)


def enrolments(**changed: Any) -> Enrolments:
    fields = {"label": "", "made_by": "ann", "made_at": 0.0, "expires_at": 100.0, "uses": 1}
    held = Enrolments()
    held.add(Enrolment("e-1", tokens.digest(TOKEN), **{**fields, **changed}))
    return held


def test_a_token_admits_as_many_nodes_as_it_says() -> None:
    held = enrolments(uses=2)
    assert held.admit(TOKEN, "pi-1", 1.0).used_by == ["pi-1"]
    held.admit(TOKEN, "pi-2", 1.0)
    with pytest.raises(NotAdmitted, match="e-1 is used up by pi-1, pi-2"):
        held.admit(TOKEN, "pi-3", 1.0)
    assert held.get("e-1").used_by == ["pi-1", "pi-2"]


@pytest.mark.parametrize(
    ("token", "changed", "now", "why"),
    [
        ("", {}, 1.0, "'pi-1' is not enrolled here: give its agent a token with --enrol-file"),
        ("fedbed-enrol-other", {}, 1.0, "token that is not known here"),
        (TOKEN, {}, 100.0, "e-1 is expired"),
        (TOKEN, {"revoked": True}, 1.0, "e-1 is revoked"),
        (TOKEN, {"names": ["pi-7", "pi-8"]}, 1.0, "e-1 is for pi-7, pi-8, not for 'pi-1'"),
    ],
)
def test_who_is_not_let_in_is_told_why(
    token: str, changed: dict[str, Any], now: float, why: str
) -> None:
    held = enrolments(**changed)
    with pytest.raises(NotAdmitted, match=why):
        held.admit(token, "pi-1", now)
    assert held.get("e-1").used_by == []


def test_a_use_can_be_given_back() -> None:
    held = enrolments()
    held.give_back(held.admit(TOKEN, "pi-1", 1.0), "pi-1")
    held.admit(TOKEN, "pi-2", 1.0)


def test_an_unknown_id_is_said_to_be_that() -> None:
    with pytest.raises(NotFound, match="e-2"):
        enrolments().get("e-2")


def test_no_hash_is_shown() -> None:
    assert tokens.digest(TOKEN) not in repr(enrolments().get("e-1"))
