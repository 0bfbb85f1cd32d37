from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedbed.chaos import disks
from fedbed.chaos.disks import SmallDisk
from fedbed.errors import UsageError


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if disks.refusal():
        pytest.skip(disks.refusal())
    mounted = SmallDisk(tmp_path / "state", 4)
    yield mounted
    mounted.free()
    mounted.close()


def full(folder: Path) -> bool:
    try:
        (folder / "more").write_bytes(b"x")
    except OSError as error:
        assert error.errno == errno.ENOSPC
        return True
    return False


def test_a_small_disk_is_full_until_it_is_freed(disk: SmallDisk) -> None:
    mine = disk.folder / "mine"
    mine.write_bytes(bytes(100_000))
    disk.fill()
    assert full(disk.folder)
    mine.unlink()
    for _ in range(200):  # what others remove is taken as well, soon
        if full(disk.folder):
            break
    disk.free()
    disk.free()
    assert not full(disk.folder)
    disk.close()
    disk.close()
    assert list(disk.folder.iterdir()) == []


def test_a_disk_that_was_there_before_is_never_filled(disk: SmallDisk) -> None:
    disk.close()
    with pytest.raises(UsageError, match="no file system of its own"):
        disk.fill()
    assert list(disk.folder.iterdir()) == []


def test_without_root_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "needs root" in disks.refusal()
