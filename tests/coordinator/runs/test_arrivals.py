from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from coordinator.runs import arrivals
from coordinator.runs.arrivals import Announced, Arrivals
from coordinator.runs.upload import Upload
from fedbed.errors import PayloadError

SIZES = pytest.mark.parametrize("size", [0, 10, arrivals.SMALL_BYTES, arrivals.SMALL_BYTES + 1])


NAMED: list[dict[str, Any]] = []


@pytest.fixture(autouse=True)
def nothing_named() -> None:
    NAMED.clear()


async def body(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 60_000):
        yield data[at : at + 60_000]


def announced(folder: Path, data: bytes, wanted: bool = True, sha256: str = "") -> Announced:
    def check(path: Path) -> dict[str, Any]:
        return {"read": path.read_bytes()}

    digest = sha256 or hashlib.sha256(data).hexdigest()
    return Announced("w.0", folder, len(data), digest, check, lambda: wanted, NAMED.append)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@SIZES
async def test_what_was_checked_lies_under_its_name(tmp_path: Path, size: int) -> None:
    data, folder = bytes(size), tmp_path / "spool"
    meta = await Arrivals().take(announced(folder, data), Upload(body(data)))
    assert meta["read"] == data
    assert names(folder) == ["w.0.result"]
    assert (folder / "w.0.result").read_bytes() == data
    assert [meta] == NAMED


@SIZES
async def test_other_bytes_are_refused_and_leave_nothing(tmp_path: Path, size: int) -> None:
    data = bytes(size)
    with pytest.raises(PayloadError, match="announced hash"):
        await Arrivals().take(announced(tmp_path, data, sha256="0" * 64), Upload(body(data)))
    assert names(tmp_path) == []


@SIZES
async def test_what_nobody_waits_for_any_more_is_not_kept(tmp_path: Path, size: int) -> None:
    data = bytes(size)
    await Arrivals().take(announced(tmp_path, data, wanted=False), Upload(body(data)))
    assert names(tmp_path) == []
    assert not NAMED


async def test_what_memory_has_no_room_for_goes_by_way_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "GATHERED_LIMIT", 5)
    data = b"a result"
    meta = await Arrivals().take(announced(tmp_path, data), Upload(body(data)))
    assert meta["read"] == data
    assert names(tmp_path) == ["w.0.result"]
