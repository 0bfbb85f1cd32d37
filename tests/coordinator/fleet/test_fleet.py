from __future__ import annotations

import pytest

from coordinator.fleet.fleet import Fleet
from fedbed.errors import NameTaken, NotAdmitted, NotFound, Refused
from fedbed.link.messages import JoinRequest, NodeProfile

KEY = "0a" * 32
OTHER = "0b" * 32


def test_the_same_key_is_the_same_node_with_a_new_token() -> None:
    fleet = Fleet()
    first, token = fleet.join(JoinRequest("pi-1", KEY), 0.0)
    first.drained = first.live = True
    again, newer = fleet.join(JoinRequest("pi-one", KEY), 1.0)
    assert again.id == first.id
    assert len(fleet) == 1
    assert again.contact is first.contact
    assert (again.drained, again.live) == (True, True)
    assert fleet.by_token(newer) is again
    with pytest.raises(NotAdmitted):
        fleet.by_token(token)
    assert fleet.by_name("pi-1") is None
    assert fleet.is_current(again)
    assert not fleet.is_current(first)
    assert fleet.current(first) is again


def test_a_name_belongs_to_one_key() -> None:
    fleet = Fleet()
    fleet.join(JoinRequest("pi-1", KEY), 0.0)
    with pytest.raises(NameTaken, match="pi-1"):
        fleet.join(JoinRequest("pi-1", OTHER), 0.0)
    assert len(fleet) == 1


def test_an_id_is_no_key() -> None:
    fleet = Fleet()
    member, token = fleet.join(JoinRequest("pi-1", KEY), 0.0)
    member.key_sha256 = "0" * 64  # as if another key's hash began with the same digits
    assert not fleet.knows(KEY)
    with pytest.raises(NameTaken):
        fleet.join(JoinRequest("pi-1", KEY), 0.0)
    with pytest.raises(Refused, match="another key has this node's id"):
        fleet.join(JoinRequest("pi-2", KEY), 0.0)
    assert fleet.by_token(token) is member


def test_what_a_node_says_of_itself_moves_no_terminal() -> None:
    profile = NodeProfile(machine="\x1b[31mred\n", packages={"a\x07": "1\r"})
    request = JoinRequest("pi-1", KEY, profile, labels={"k\x00": "v\x9b"})
    member, _ = Fleet().join(request, 0.0)
    assert member.profile.machine == "\\x1b[31mred\\n"
    assert member.profile.packages == {"a\\x07": "1\\r"}
    assert member.labels == {"k\\x00": "v\\x9b"}


def test_a_forgotten_node_has_no_credential_and_frees_its_name() -> None:
    fleet = Fleet()
    member, token = fleet.join(JoinRequest("pi-1", KEY), 0.0)
    fleet.forget(member.id)
    with pytest.raises(NotAdmitted):
        fleet.by_token(token)
    with pytest.raises(NotFound):
        fleet.get(member.id)
    assert fleet.current(member) is None
    fleet.join(JoinRequest("pi-1", OTHER), 0.0)


@pytest.mark.parametrize(
    "request_",
    [
        JoinRequest("", KEY),
        JoinRequest("a/b", KEY),
        JoinRequest("-x", KEY),
        JoinRequest("a\n", KEY),
        JoinRequest("x" * 64, KEY),
        JoinRequest("pi", "0A" * 32),
        JoinRequest("pi", KEY + "00"),
        JoinRequest("pi", ""),
        JoinRequest("pi", KEY, compressors=[]),
    ],
)
def test_malformed_requests_are_refused(request_: JoinRequest) -> None:
    fleet = Fleet()
    with pytest.raises(Refused):
        fleet.join(request_, 0.0)
    assert len(fleet) == 0


def test_restored_nodes_keep_their_token_and_are_offline() -> None:
    before = Fleet()
    member, token = before.join(JoinRequest("pi-1", KEY), 0.0)
    after = Fleet()
    after.restore(before)
    assert after.by_token(token) is member
    assert after.find("pi-1") is after.find(member.id) is member


def test_not_found_names_who_there_is() -> None:
    fleet = Fleet()
    fleet.join(JoinRequest("pi-1", KEY), 0.0)
    with pytest.raises(NotFound, match="pi-1"):
        fleet.find("pi-2")
