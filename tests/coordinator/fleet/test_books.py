"""What is remembered of nodes in the database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from coordinator.fleet import books
from coordinator.fleet.fleet import Fleet, Member
from coordinator.store import tables
from coordinator.store.database import Database
from fedbed.link.messages import JoinRequest, NodeProfile


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'test.db'}")
    made.start()
    yield made
    made.stop()


def joined(fleet: Fleet, name: str) -> Member:
    key = hashlib.sha256(name.encode()).hexdigest()
    profile = NodeProfile(packages={"torch": "2.9.1"}, abilities=["checkup"])
    member, _ = fleet.join(JoinRequest(name, key, profile, {"room": "b 12"}), 0.0)
    return member


async def test_a_node_is_known_again_as_it_joined(database: Database) -> None:
    fleet = Fleet()
    member = joined(fleet, "pi-1")
    await database.write(lambda s: books.enter(s, member, None))
    (read,) = database.read(books.members)
    assert (read.id, read.name, read.labels) == (member.id, "pi-1", {"room": "b 12"})
    assert (read.profile, read.compressors) == (member.profile, ["zlib"])
    assert read.token_sha256 == member.token_sha256
    assert not read.live


async def test_a_node_that_joins_again_keeps_its_conduct(database: Database) -> None:
    fleet = Fleet()
    first = joined(fleet, "pi-1")
    await database.write(lambda s: books.enter(s, first, None))

    def set_aside(session: Session) -> None:
        row = session.get(tables.Node, first.id)
        assert row is not None
        row.drained, row.set_aside, row.offences = True, "set aside after 3 offences", 3

    await database.write(set_aside)
    again = joined(fleet, "pi-1")
    await database.write(lambda s: books.enter(s, again, None))
    (read,) = database.read(books.members)
    assert read.token_sha256 == again.token_sha256 != first.token_sha256
    assert (read.drained, read.offences) == (True, 3)
    assert read.set_aside == "set aside after 3 offences"


async def test_one_that_is_struck_off_leaves_no_record(database: Database) -> None:
    fleet = Fleet()
    stays, goes = joined(fleet, "pi-1"), joined(fleet, "pi-2")

    def fill(session: Session) -> None:
        for member in (stays, goes):
            books.enter(session, member, None)
            told = {"run": "r", "item": "r.1.0", "kind": "norm", "text": "too long", "at": 1.0}
            session.add(tables.Offence(node=member.id, counts=True, **told))

    await database.write(fill)
    await database.write(lambda s: books.strike(s, goes.id))
    assert [m.name for m in database.read(books.members)] == ["pi-1"]
    assert database.read(lambda s: [o.node for o in s.query(tables.Offence)]) == [stays.id]
