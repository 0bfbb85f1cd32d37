from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from coordinator.runs.upload import BATCH_BYTES, Upload
from fedbed.errors import PayloadError, Refused


async def body(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size


async def stalled() -> AsyncIterator[bytes]:
    yield b"x"
    await asyncio.Event().wait()


async def taken(upload: Upload, size: int) -> list[list[bytes]]:
    return [pieces async for pieces in upload.batches(size)]


async def test_small_pieces_come_in_batches() -> None:
    piece = BATCH_BYTES // 4
    upload = Upload(body(piece, piece, piece, piece, piece, 3))
    batches = await taken(upload, 10 * BATCH_BYTES)
    assert [sum(map(len, batch)) for batch in batches] == [BATCH_BYTES, piece + 3]
    assert upload.received == BATCH_BYTES + piece + 3


async def test_more_than_announced_is_refused_as_soon_as_it_comes() -> None:
    upload = Upload(body(5, 5, 5))
    with pytest.raises(PayloadError, match="more bytes came than were announced"):
        await taken(upload, 9)
    assert upload.received == 10


async def test_one_that_waits_for_its_peer_can_be_broken_off() -> None:
    begun: list[Upload] = []

    async def read() -> None:
        upload = Upload(stalled())
        begun.append(upload)
        await taken(upload, 100)

    task = asyncio.create_task(read())
    while not begun or not begun[0].received:
        await asyncio.sleep(0)
    begun[0].break_off()
    with pytest.raises(Refused, match="another upload of this result has taken over"):
        await task


async def test_one_that_is_through_cannot() -> None:
    upload = Upload(body(3))
    assert await taken(upload, 3) == [[b"xxx"]]
    upload.break_off()
    await asyncio.sleep(0)


async def test_any_other_cancellation_stays_one() -> None:
    async def read() -> None:
        await taken(Upload(stalled()), 100)

    task = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
