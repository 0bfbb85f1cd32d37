from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from coordinator.store import tables
from coordinator.store.database import Database, Row
from fedbed.errors import FedbedError

INSERT = insert(tables.Base.metadata.tables[tables.Event.__tablename__])


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.in_folder(tmp_path)
    made.start()
    yield made
    made.stop()


def adding(text: str) -> Callable[[Session], None]:
    return lambda s: s.add(tables.Event(at=0.0, text=text))


def texts(database: Database) -> list[str]:
    return sorted(database.read(lambda s: [e.text for e in s.query(tables.Event)]))


def fail(_session: Session) -> None:
    raise ValueError("no")


class Held:
    """Keeps the writer busy until `release`, so that what follows queues up as one group."""

    def __init__(self, database: Database) -> None:
        self._go, self._in = threading.Event(), threading.Event()
        database.note(self._block)
        assert self._in.wait(10)

    def _block(self, _session: Session) -> None:
        self._in.set()
        assert self._go.wait(10)

    def release(self) -> None:
        self._go.set()


async def test_a_write_returns_its_result_and_is_seen(database: Database) -> None:
    def change(session: Session) -> int:
        session.add(tables.Event(at=0.0, text="a"))
        return 7

    assert await database.write(change) == 7
    assert texts(database) == ["a"]


async def test_of_a_group_only_the_culprit_fails(database: Database) -> None:
    held = Held(database)
    writes = [
        asyncio.ensure_future(database.write(change))
        for change in (adding("a"), fail, adding("b"), adding("c"))
    ]
    await asyncio.sleep(0)
    held.release()
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(r) for r in results] == [type(None), ValueError, type(None), type(None)]
    assert texts(database) == ["a", "b", "c"]


async def test_a_group_is_one_transaction(database: Database) -> None:
    held = Held(database)
    sessions: list[Session] = []
    writes = [asyncio.ensure_future(database.write(sessions.append)) for _ in range(20)]
    await asyncio.sleep(0)
    held.release()
    await asyncio.gather(*writes)
    assert len({id(s) for s in sessions}) == 1


async def test_a_cancelled_write_does_not_stop_the_writer(database: Database) -> None:
    for change in (adding("cancelled"), fail):
        held = Held(database)
        write = asyncio.ensure_future(database.write(change))
        await asyncio.sleep(0)
        write.cancel()
        with pytest.raises(asyncio.CancelledError):
            await write
        held.release()
    await asyncio.wait_for(database.write(adding("after")), 10)
    assert texts(database) == ["after"]


async def test_what_was_awaited_or_noted_is_there_after_reopening(tmp_path: Path) -> None:
    first = Database.in_folder(tmp_path)
    first.start()
    await first.write(adding("written"))
    first.note(adding("noted"))
    first.stop()
    second = Database.in_folder(tmp_path)
    second.start()
    try:
        assert texts(second) == ["noted", "written"]
    finally:
        second.stop()


async def test_a_write_is_on_disk_before_it_is_acknowledged(
    tmp_path: Path, database: Database
) -> None:
    await database.write(adding("a"))
    beside = Database.in_folder(tmp_path)
    beside.start()
    try:
        assert texts(beside) == ["a"]
    finally:
        beside.stop()


async def test_a_stopped_database_refuses_instead_of_waiting(tmp_path: Path) -> None:
    database = Database.in_folder(tmp_path)
    database.start()
    database.stop()
    database.stop()
    with pytest.raises(FedbedError, match="stopping"):
        await asyncio.wait_for(database.write(adding("late")), 10)


async def test_a_note_that_fails_bothers_nobody(database: Database) -> None:
    database.note(fail)
    await database.write(adding("a"))
    assert texts(database) == ["a"]


def inserting(text: str, folder: Path | None = None) -> Row:
    return Row(INSERT, {"at": 0.0, "text": text}, folder)


async def test_rows_and_changes_of_a_group_keep_their_order(database: Database) -> None:
    seen: list[list[str]] = []

    def look(session: Session) -> None:
        seen.append([e.text for e in session.query(tables.Event).order_by(tables.Event.id)])

    held = Held(database)
    writes = [
        asyncio.ensure_future(one)
        for one in (
            database.write_row(inserting("a")),
            database.write_row(inserting("b")),
            database.write(look),
            database.write(adding("c")),
            database.write_row(inserting("d")),
            database.write(look),
        )
    ]
    await asyncio.sleep(0)
    held.release()
    await asyncio.gather(*writes)
    assert seen == [["a", "b"], ["a", "b", "c", "d"]]


async def test_of_a_group_of_rows_only_the_culprit_fails(database: Database) -> None:
    held = Held(database)
    rows = [inserting("a"), Row(INSERT, {"at": 0.0, "text": None}), inserting("b")]
    writes = [asyncio.ensure_future(database.write_row(row)) for row in rows]
    await asyncio.sleep(0)
    held.release()
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [isinstance(r, Exception) for r in results] == [False, True, False]
    assert texts(database) == ["a", "b"]


async def test_a_folder_is_synced_once_for_its_group_and_before_the_commit(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[Path, list[str]]] = []
    monkeypatch.setattr(
        "coordinator.store.database.sync_folder",
        lambda folder: synced.append((folder, texts(database))),
    )
    held = Held(database)
    writes = [
        asyncio.ensure_future(database.write_row(inserting(text, tmp_path))) for text in "abc"
    ]
    await asyncio.sleep(0)
    held.release()
    await asyncio.gather(*writes)
    assert synced == [(tmp_path, [])]
    assert texts(database) == ["a", "b", "c"]


async def test_a_row_whose_folder_cannot_be_synced_is_not_written(
    tmp_path: Path, database: Database
) -> None:
    with pytest.raises(FileNotFoundError):
        await database.write_row(inserting("a", tmp_path / "none"))
    assert texts(database) == []
