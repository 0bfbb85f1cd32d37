"""Writing to a real engine: it goes away, is slow, doesn't let us in, refuses, and comes back."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from coordinator.settings import Influx as Settings
from coordinator.telemetry.writer import LIMITS, Writer, complaint
from fedbed.telemetry.outbox import Limits
from fedbed.telemetry.point import Point
from tests.influx import BUCKET, ORG, TOKEN, Influx, influx

LIMIT_S = 60.0
AT_NS = 1_700_000_000_000_000_000


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    with influx(tmp_path_factory.mktemp("influx")) as made:
        yield made


def points(count: int, first: int = 0, **tags: str) -> list[Point]:
    return [
        Point("fedbed_cpu", {"node": "a", **tags}, {"usage": float(n)}, AT_NS + n * 1_000_000_000)
        for n in range(first, first + count)
    ]


def until(condition: Callable[[], object], what: str) -> None:
    limit = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < limit, what
        time.sleep(0.05)


@dataclass
class Told:
    """A writer, and what it has told people."""

    writer: Writer
    lines: list[tuple[str, bool]] = field(default_factory=list)

    def all_written(self) -> None:
        until(lambda: not self.writer.waiting, "points wait on")


@contextmanager
def writing(
    folder: Path,
    url: str,
    bucket: str = BUCKET,
    token: str = TOKEN,
    token_file: Path | None = None,
    limits: Limits = LIMITS,
    timeout_s: float = 10.0,
) -> Iterator[Told]:
    lines: list[tuple[str, bool]] = []
    settings = Settings(url, ORG, bucket, token, token_file)
    writer = Writer(
        settings,
        folder,
        lambda line, is_trouble: lines.append((line, is_trouble)),
        limits,
        timeout_s=timeout_s,
        longest_pause_s=0.5,
    )
    writer.start()
    try:
        yield Told(writer, lines)
    finally:
        writer.stop()


def count(database: Influx, where: str) -> int:
    rows = database.query(f"SELECT count(usage) FROM fedbed_cpu WHERE {where}")
    return int(rows[0]["count"]) if rows else 0


def test_points_are_there_with_their_own_times(database: Influx, tmp_path: Path) -> None:
    with writing(tmp_path, database.url) as told:
        told.writer.put(points(3, of="times"))
        told.all_written()
    rows = database.query("SELECT usage FROM fedbed_cpu WHERE \"of\" = 'times'")
    assert [(row["time"], row["usage"]) for row in rows] == [
        (AT_NS + n * 1_000_000_000, float(n)) for n in range(3)
    ]
    assert told.lines == []


def test_what_an_absent_database_misses_waits_and_arrives(tmp_path: Path) -> None:
    limits = Limits(memory_bytes=10_000, batch_bytes=4_000)
    with influx(tmp_path / "influx") as database:
        pass
    with writing(tmp_path / "waits", database.url, limits=limits) as told:
        for first in range(0, 300, 100):
            told.writer.put(points(100, first, of="absence"))
        until(lambda: list((tmp_path / "waits").glob("*.lines")), "nothing went to disk")
        assert told.writer.waiting == 300
        with database.running():
            told.all_written()
            assert count(database, "\"of\" = 'absence'") == 300
            until(lambda: len(told.lines) == 2, "nobody was told")
    (trouble, was_bad), (well, is_bad) = told.lines
    assert "can't be reached (Connection refused)" in trouble
    assert (was_bad, is_bad) == (True, False)
    assert "takes points again" in well
    assert told.writer.dropped == 0


def test_what_is_left_at_the_end_is_delivered_by_the_next_life(
    database: Influx, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with writing(tmp_path, f"http://127.0.0.1:{port}") as told:
        told.writer.put(points(5, of="lives"))
    assert [path.suffix for path in tmp_path.iterdir()] == [".lines"]
    with writing(tmp_path, database.url) as told:
        told.all_written()
    assert count(database, "\"of\" = 'lives'") == 5
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_token_is_said_once_and_another_in_its_file_is_taken(
    database: Influx, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("a-wrong-one")
    with writing(tmp_path / "w", database.url, token="a-wrong-one", token_file=file) as told:
        told.writer.put(points(2, of="token"))
        until(lambda: told.lines, "nobody was told")
        time.sleep(2.0)  # some tries more
        ((line, is_trouble),) = told.lines
        assert is_trouble
        assert "doesn't accept the token" in line
        assert "--influx-token-file" in line
        assert "a-wrong-one" not in line
        file.write_text(TOKEN)
        told.all_written()
    assert count(database, "\"of\" = 'token'") == 2


def test_a_wrong_bucket_is_named(database: Influx, tmp_path: Path) -> None:
    with writing(tmp_path, database.url, bucket="another") as told:
        told.writer.put(points(2, of="bucket"))
        until(lambda: told.lines, "nobody was told")
        ((line, _),) = told.lines
        assert "has no bucket 'another' of the organisation 'fedbed'" in line
        assert told.writer.waiting == 2


def test_a_database_that_never_answers_is_given_up_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with writing(tmp_path, url, timeout_s=0.5) as told:
            began = time.monotonic()
            told.writer.put(points(2))
            assert time.monotonic() - began < 0.3, "who puts points in isn't kept waiting"
            until(lambda: told.lines, "nobody was told")
            assert "doesn't answer within 500 ms" in told.lines[0][0]


def test_points_that_are_refused_for_good_are_counted_and_hold_up_nobody(
    database: Influx, tmp_path: Path
) -> None:
    database.write(f"fedbed_gpu,node=a usage=1i {AT_NS - 1}")
    with writing(tmp_path, database.url) as told:
        wrong = [Point("fedbed_gpu", {"node": "a"}, {"usage": 1.5}, AT_NS + n) for n in range(3)]
        told.writer.put([*wrong, *points(2, of="refusal")])
        told.all_written()
        told.writer.put(points(2, 10, of="refusal"))
        told.all_written()
    assert count(database, "\"of\" = 'refusal'") == 4
    assert told.writer.dropped == 3
    ((line, is_trouble),) = told.lines
    assert is_trouble
    assert "refuses 3 points for good" in line
    assert "field type conflict" in line


def test_other_answers_are_told_in_a_line() -> None:
    settings = Settings("http://pc:8086", "lab", "b")
    assert "answers with status 503: Service Unavailable" in complaint(
        settings, 503, "Service\nUnavailable"
    )
    assert "can't be trusted" in complaint(settings, 0, "SSLError\ncertificate verify failed")


def test_the_page_has_the_limits_of_the_code() -> None:
    page = (Path(__file__).parents[3] / "docs" / "influxdb.md").read_text()
    assert f"{LIMITS.memory_bytes // 1_000_000} MB, some" in page
    assert f"files of {LIMITS.memory_bytes // 2_000_000} MB" in page
    assert f"{LIMITS.free_bytes // 1_000_000} MB of the disk stay free" in page
    assert f"| {LIMITS.disk_bytes // 1_000_000} MB |" in page
