"""A real database with ten minutes of a lab's life, for all tests of this folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.influx import Influx, influx
from tests.monitoring import filled
from tests.monitoring.asking import filled_in


@dataclass(frozen=True)
class Lab:
    """The database, and of when its points are."""

    database: Influx
    until_ns: int

    @property
    def since_ns(self) -> int:
        return self.until_ns - (filled.STEPS + 1) * filled.STEP_S * 10**9

    def ask(self, query: str, **chosen: str | list[str]) -> list[dict[str, object]]:
        """Return the rows of a dashboard's query over all ten minutes; empty values left out."""
        rows = self.database.query(filled_in(query, self.since_ns, self.until_ns, chosen))
        return [row for row in rows if any(v is not None for k, v in row.items() if k != "time")]


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with influx(tmp_path_factory.mktemp("influx")) as database:
        until = time.time_ns() // 10**9 * 10**9
        database.write(filled.lines(until))
        yield Lab(database, until)
