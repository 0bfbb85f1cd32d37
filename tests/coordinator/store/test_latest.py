from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from coordinator.store import latest
from coordinator.store.latest import LatestBlobs


@pytest.fixture(autouse=True)
def room_for_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latest, "KEPT_BYTES", 10)


def file(folder: Path, name: str, size: int) -> Path:
    path = folder / name
    path.write_bytes(name.encode() * size)
    return path


async def test_all_who_ask_get_the_same_bytes_of_one_reading(tmp_path: Path) -> None:
    blobs, path = LatestBlobs(), file(tmp_path, "a", 4)
    first = asyncio.ensure_future(blobs.read("run", "sha", path))
    await asyncio.sleep(0)
    others = [blobs.get("run", "sha") for _ in range(3)]
    found = await asyncio.gather(first, *others)
    assert found[0] == b"aaaa"
    assert all(one is found[0] for one in found)
    assert await blobs.get("other", "sha") is None


async def test_the_oldest_make_room(tmp_path: Path) -> None:
    blobs = LatestBlobs()
    for name in ("a", "b", "c"):
        assert await blobs.read(None, name, file(tmp_path, name, 4)) is not None
    assert [await blobs.get(None, name) for name in ("a", "b", "c")] == [None, b"bbbb", b"cccc"]
    assert await blobs.read(None, "d", file(tmp_path, "d", 11)) is None
    assert await blobs.get(None, "c") == b"cccc"


async def test_one_that_cannot_be_read_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Path) -> bytes:
        raise OSError("bad sector")

    blobs, path = LatestBlobs(), file(tmp_path, "a", 4)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", broken)
        with pytest.raises(OSError, match="bad sector"):
            await blobs.read(None, "a", path)
    assert await blobs.get(None, "a") is None
    assert await blobs.read(None, "a", path) == b"aaaa"
