from __future__ import annotations

import pytest

from coordinator.access.roles import ANYBODY, Caller, Role
from fedbed.errors import Refused


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_what_those_before_it_may(role: Role) -> None:
    ranks = list(Role)
    caller = Caller("ann", role)
    for wanted in ranks[: ranks.index(role) + 1]:
        caller.require(wanted)
    for beyond in ranks[ranks.index(role) + 1 :]:
        with pytest.raises(Refused, match=f"takes an {beyond}, and ann is {role} here"):
            caller.require(beyond)


def test_where_nobody_is_asked_everybody_may_do_everything() -> None:
    ANYBODY.require(Role.ADMIN)
