"""A database file of an earlier version gains what its tables lack, and keeps its rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, text

from coordinator.store import tables
from coordinator.store.columns import add_missing
from coordinator.store.database import Database

LATER = [
    ("nodes", "drained"),
    ("nodes", "drained_itself"),
    ("nodes", "set_aside"),
    ("nodes", "offences"),
    ("work", "former"),
]


def test_missing_columns_are_added_once_and_rows_keep_what_they_have() -> None:
    engine = create_engine("sqlite://")
    now = MetaData()
    Table(
        "t",
        now,
        Column("id", Integer, primary_key=True),
        Column("name", String(9), nullable=False, server_default="none"),
    )
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY)"))
        connection.execute(text("INSERT INTO t VALUES (7)"))
        assert add_missing(connection, now) == ["t.name"]
        assert add_missing(connection, now) == []
        assert connection.execute(text("SELECT id, name FROM t")).all() == [(7, "none")]


async def test_a_file_of_an_earlier_version_is_opened(tmp_path: Path) -> None:
    database = Database.in_folder(tmp_path)
    database.start()
    node = tables.Node(
        id="n-1", name="pi", key_sha256="k", token_sha256="t", profile={}, labels={},
        compressors=[], apps_allowed=False, joined_at=0.0,
    )  # fmt: skip
    await database.write(lambda s: s.add(node))
    database.stop()
    with closing(sqlite3.connect(tmp_path / "fedbed.sqlite")) as file:
        for table, column in LATER:
            file.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        file.commit()
    again = Database.in_folder(tmp_path)
    again.start()
    try:
        (found,) = again.read(lambda s: list(s.query(tables.Node)))
        assert (found.name, found.drained, found.set_aside, found.offences) == ("pi", False, "", 0)
        assert again.read(lambda s: list(s.query(tables.Work))) == []
    finally:
        again.stop()
