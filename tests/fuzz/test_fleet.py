"""Nodes that join, poll, vanish, leave and are removed, against a plain model of who is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from coordinator.fleet.contact import CUT_GRACE_S, SILENCE_S, Contact
from coordinator.fleet.fleet import Fleet, Member
from coordinator.fleet.state import NodeFacts, NodeState, state_of
from fedbed.errors import FedbedError, NameTaken, NotFound
from fedbed.link.messages import JoinRequest
from tests.fuzz.depth import examples

KEYS = [format(number, "064x") for number in range(3)]
NAMES = ["pi-1", "pi-2"]
SECONDS = st.floats(0.01, 10.0)


class Contacts(RuleBasedStateMachine):
    """One node's polls, as its connection may have them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.contact = Contact()
        self.open = 0
        self.left = False
        self.heard_at: float | None = None
        """The latest sign of life, of a node that has not left."""

    @rule()
    def a_poll_comes(self) -> None:
        self.contact.poll_opened(self.now)
        self.open += 1
        self.left = False
        self.heard_at = self.now
        assert self.contact.is_live(self.now)

    @precondition(lambda self: self.open)
    @rule(cut=st.booleans())
    def a_poll_ends(self, cut: bool) -> None:
        was_left = self.left
        self.contact.poll_closed(self.now, cut)
        self.open -= 1
        if not was_left:
            self.heard_at = self.now
            assert self.contact.is_live(self.now), "it has a moment to come back"

    @rule()
    def its_connection_closes(self) -> None:
        self.contact.connection_lost(self.now)
        if not self.open and not self.left:
            assert not self.contact.is_live(self.now + CUT_GRACE_S)

    @rule()
    def it_is_heard(self) -> None:
        self.contact.heard(self.now)
        self.left = False
        self.heard_at = self.now

    @rule()
    def it_leaves(self) -> None:
        self.contact.leave(self.now)
        self.left = True
        assert not self.contact.is_live(self.now)

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def contact_follows_from_what_was_heard(self) -> None:
        live = self.contact.is_live(self.now)
        assert self.contact.open_polls == self.open
        if self.left:
            assert not live
        elif self.open:
            assert live
        elif live:
            assert self.heard_at is not None
            assert self.now < self.heard_at + SILENCE_S
        if not live and not self.left and self.heard_at is not None:
            assert self.now >= self.heard_at or self.contact.lost_at is not None
        if live and not self.open:
            # Whoever waits for the loss is told by one timer.
            assert self.contact.lost_at is not None
            assert not self.contact.is_live(self.contact.lost_at)


@dataclass
class Known:
    """What the model knows of a node."""

    name: str
    token: str
    member: Member


class Books(RuleBasedStateMachine):
    """The fleet's books: keys, names and tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.fleet = Fleet()
        self.known: dict[str, Known] = {}
        self.void: list[str] = []
        self.now = 0.0

    @rule(key=st.sampled_from(KEYS), name=st.sampled_from(NAMES))
    def join(self, key: str, name: str) -> None:
        self.now += 1.0
        holder = next((k for k, known in self.known.items() if known.name == name), None)
        if holder not in (None, key):
            with pytest.raises(NameTaken):
                self.fleet.join(JoinRequest(name, key), self.now)
            return
        before = self.known.get(key)
        member, token = self.fleet.join(JoinRequest(name, key), self.now)
        if before is not None:
            assert member.id == before.member.id, "the same key is the same node"
            assert not self.fleet.is_current(before.member)
            assert member.contact is before.member.contact
            self.void.append(before.token)
        self.known[key] = Known(name, token, member)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        known = self.known.pop(data.draw(st.sampled_from(sorted(self.known))))
        self.fleet.forget(known.member.id)
        self.void.append(known.token)
        with pytest.raises(NotFound):
            self.fleet.get(known.member.id)

    @rule(request=st.builds(JoinRequest, name=st.text(max_size=70), key=st.text(max_size=70)))
    def join_with_anything(self, request: JoinRequest) -> None:
        before = [(m.id, m.name) for m in self.fleet]
        with pytest.raises(FedbedError):
            self.fleet.join(request, self.now)
        assert [(m.id, m.name) for m in self.fleet] == before

    @invariant()
    def each_is_found_by_all_that_names_it(self) -> None:
        assert len(self.fleet) == len(self.known)
        assert sorted(m.name for m in self.fleet) == sorted(k.name for k in self.known.values())
        for known in self.known.values():
            member = known.member
            assert self.fleet.by_token(known.token) is member
            assert self.fleet.by_name(known.name) is member
            assert self.fleet.get(member.id) is member
            assert self.fleet.find(known.name) is self.fleet.find(member.id) is member

    @invariant()
    def void_tokens_are_nobodys(self) -> None:
        assert [self.fleet.holder(token) for token in self.void] == [None] * len(self.void)


TestContacts: Any = Contacts.TestCase
TestContacts.settings = examples(quick=40, deep=1500)
TestBooks: Any = Books.TestCase
TestBooks.settings = examples(quick=20, deep=700, steps=25)


@examples(quick=100, deep=2000)
@given(st.builds(NodeFacts, **{name: st.booleans() for name in NodeFacts.__dataclass_fields__}))
def test_a_state_follows_from_facts(facts: NodeFacts) -> None:
    state = state_of(facts)
    assert (state is NodeState.OFFLINE) == (not facts.in_contact)
    if facts.in_contact:
        assert (state is NodeState.UPDATE) == facts.uploading
    if state is NodeState.TRAINING:
        assert facts.working
    if state is NodeState.DRAINED:
        assert facts.drained
        assert not facts.working
    if state is NodeState.JOIN:
        assert not facts.has_polled
