"""Columns that a table has gained since a database file was made.

`create_all` makes missing tables and leaves those alone that are there. A column that was added
to a table later needs a `server_default`, which the rows that are there take; nothing else about a
table may change.
"""

from __future__ import annotations

from sqlalchemy import Connection, MetaData, inspect
from sqlalchemy.schema import CreateColumn


def add_missing(connection: Connection, metadata: MetaData) -> list[str]:
    """Add the columns that the tables lack; returns them as `table.column`."""
    known = inspect(connection)
    added = []
    for table in metadata.sorted_tables:
        there = {column["name"] for column in known.get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                described = CreateColumn(column).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {described}")
                added.append(f"{table.name}.{column.name}")
    return added
