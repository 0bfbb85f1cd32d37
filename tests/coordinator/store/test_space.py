from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.store.database import Database
from coordinator.store.space import Space, complaint, unkept
from fedbed.errors import CoordinatorAway, StorageFull
from tests.coordinator.store.test_database import adding, texts
from tests.parts import fill, small_disk

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("free", "total", "full"),
    [
        (100 * MIB, 10_000 * MIB, False),
        (63 * MIB, 10_000 * MIB, True),
        (6 * MIB, 100 * MIB, False),
        (4 * MIB, 100 * MIB, True),
        (0, 100 * MIB, True),
    ],
)
def test_a_disk_is_full_before_the_last_byte(free: int, total: int, full: bool) -> None:
    assert bool(complaint(free, total)) is full


def test_who_asks_is_told_to_ask_again() -> None:
    full = unkept(OSError(errno.ENOSPC, "No space left on device"))
    assert type(full) is StorageFull
    broken = unkept(OSError(errno.EIO, "Input/output error"))
    assert type(broken) is CoordinatorAway
    assert "Input/output error" in str(broken)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    with small_disk(folder, 4 * MIB):
        yield folder


def test_trouble_comes_and_goes(disk: Path) -> None:
    space = Space(disk)
    assert not space.look()
    ballast = fill(disk)
    assert space.look()
    assert "nearly full (0 B left)" in space.trouble
    assert not space.look()
    ballast.unlink()
    assert space.look()
    assert space.trouble == ""


async def test_changes_wait_for_room_or_fail_but_are_never_half_written(disk: Path) -> None:
    database = Database.in_folder(disk)
    database.start()
    try:
        await database.write(adding("before"))
        ballast = fill(disk)
        with pytest.raises(StorageFull, match="is full"):
            await database.write(adding("hasty" * 2000))
        database.note(adding("1 noted" + "x" * 10_000))
        patient = asyncio.ensure_future(database.write_patiently(adding("2" + "x" * 10_000)))
        done, _ = await asyncio.wait({patient}, timeout=1.5)
        assert not done
        assert texts(database) == ["before"]
        ballast.unlink()
        await asyncio.wait_for(patient, 10)
        assert [text[:7] for text in texts(database)] == ["1 noted", "2xxxxxx", "before"]
    finally:
        database.stop()


async def test_what_waits_when_the_coordinator_stops_fails(disk: Path) -> None:
    database = Database.in_folder(disk)
    database.start()
    await database.write(adding("before"))
    fill(disk)
    patient = asyncio.ensure_future(database.write_patiently(adding("x" * 20_000)))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(database.stop)
    with pytest.raises(StorageFull):
        await patient
