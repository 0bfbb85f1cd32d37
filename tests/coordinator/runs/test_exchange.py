"""Results over the real API, with real envelopes."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coordinator.store import tables
from fedbed import codec
from fedbed.link import envelope
from fedbed.link.messages import BlobRef, Record
from tests.coordinator.serving import TIMELINE, Arrays, Node, Served, serving, until

MODEL: Arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}
EXPECT = [["w", "float32", [2, 3]]]


def row(served: Served, item: str) -> tables.Work:
    found = served.centre.database.read(lambda s: s.get(tables.Work, item))
    assert found is not None
    return found


def spooled(served: Served) -> list[str]:
    return sorted(p.name for p in served.centre.exchange.folder("run").glob("*"))


async def test_a_result_is_stored_once(served: Served) -> None:
    node = await served.join("pi-1")
    (item,) = await served.send([node], expect=EXPECT)
    data = node.result(item, MODEL)
    answer = await node.put(item, data)
    assert answer.json() == {"item": item, "status": "stored"}
    known = row(served, item)
    assert known.state == "done"
    assert known.bytes_up == len(data)
    assert known.timeline["work_s"] == TIMELINE["work_s"]
    assert Path(known.file).read_bytes() == data
    (told,) = served.replies
    assert (told["event"], told["item"], told["file"]) == ("reply", item, known.file)
    assert (await node.put(item, data)).json()["status"] == "repeated"
    assert len(served.replies) == 1
    assert spooled(served) == [f"{item}.result"]
    other = await node.put(item, node.result(item, {"w": MODEL["w"] + 1}))
    assert other.status_code == 403


async def test_the_run_hears_of_a_result_before_it_is_on_disk_and_the_node_after(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await served.join("pi-1")
    (item,) = await served.send([node], expect=EXPECT)
    release, sync = threading.Event(), os.fsync

    def slowly(descriptor: int) -> None:
        release.wait(30)
        sync(descriptor)

    monkeypatch.setattr("os.fsync", slowly)
    data = node.result(item, MODEL, synced=False)
    first = asyncio.create_task(node.put(item, data))
    await until(lambda: bool(served.replies), served.centre.live)
    assert Path(served.replies[0]["file"]).read_bytes() == data
    assert row(served, item).state == "open"
    # The node's connection breaks, and it sends the result again.
    again = asyncio.create_task(node.put(item, data))
    await asyncio.sleep(0.1)
    assert not first.done()
    assert not again.done()
    release.set()
    assert (await first).json()["status"] == "stored"
    assert (await again).json()["status"] == "repeated"
    assert row(served, item).state == "done"
    assert len(served.replies) == 1


async def test_a_failure_is_tried_again_and_then_final(served: Served) -> None:
    node = await served.join("pi-1")
    (item,) = await served.send([node], retries=1)
    data = node.result(item, error="out of memory")
    assert (await node.put(item, data)).json()["status"] == "again"
    (told,) = served.replies
    assert (told["event"], told["item"], told["reason"]) == ("again", item, "out of memory")
    assert told["bytes_down"] == TIMELINE["bytes_down"]
    assert (await node.poll(0.0)).json()["work"]["id"] == item
    assert (await node.put(item, data)).json()["status"] == "failed"
    assert (row(served, item).state, row(served, item).reason) == ("failed", "out of memory")
    assert (await node.poll(0.0)).json()["work"] is None
    assert len(served.replies) == 1


NAN: Arrays = {"w": np.full((2, 3), np.nan, np.float32)}
WRONG: dict[str, tuple[Arrays, dict[str, Any]]] = {
    "shape": ({"w": np.zeros((3, 2), np.float32)}, {}),
    "dtype": ({"w": np.zeros((2, 3), np.float64)}, {}),
    "names": ({"v": np.zeros((2, 3), np.float32)}, {}),
    "nan": (NAN, {}),
    "item": (MODEL, {"item": "run.000001.7"}),
    "no-timeline": (MODEL, {"timeline": None}),
    "odd-timeline": (MODEL, {"timeline": {"work_s": "long", "bytes_down": 0}}),
    "short-timeline": (MODEL, {"timeline": {"work_s": 1}}),
    "no-records": (MODEL, {"records": None}),
    "foreign-records": (MODEL, {"records": [{"name": "m", "kind": "other", "values": {}}]}),
    "payload-unnamed": (MODEL, {"records": []}),
    "text-as-metric": (
        MODEL,
        {
            "records": [
                {"name": "arrays", "kind": "arrays", "payload": "arrays"},
                {"name": "metrics", "kind": "metrics", "values": {"num-examples": "many"}},
            ]
        },
    ),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_was_not_asked_for_is_refused_and_counts_as_failure(
    served: Served, what: str
) -> None:
    node = await served.join("pi-1")
    (item,) = await served.send([node], expect=EXPECT)
    arrays, meta = WRONG[what]
    data = node.result("x", arrays, **{"item": item, **meta})
    answer = await node.put(item, data)
    assert (answer.status_code, answer.json()["code"]) == (422, "PayloadError")
    assert answer.json()["detail"]
    known = row(served, item)
    assert known.state == "failed"
    assert known.reason.startswith("refused: ")
    assert not served.replies
    assert spooled(served) == []
    assert (await node.poll(0.0)).json()["work"] is None


@pytest.mark.parametrize("profile", ["bf16", "int8", "small"])
async def test_a_difference_is_taken_if_it_is_one_to_the_model_that_was_sent(
    served: Served, profile: str
) -> None:
    node = await served.join("pi-1")
    model = {"w": np.arange(5000, dtype=np.float32)}
    sent = Record("arrays", "arrays", blob=BlobRef("ab" * 32, 9))
    asked: dict[str, Any] = {
        "expect": [["w", "float32", [5000]]],
        "max_bytes": 100_000,
        "records": [sent],
    }
    (item,) = await served.send([node], **asked)
    trained = {"w": model["w"] + 1}
    right, wrong = (codec.Reference(model, mark * 32) for mark in ("ab", "cd"))
    refused = await node.put(item, node.result(item, trained, profile=profile, reference=wrong))
    assert refused.status_code == 422
    assert "a difference to another model than was sent" in refused.json()["detail"]
    (item,) = await served.send([node], window="run.000002", **asked)
    taken = await node.put(item, node.result(item, trained, profile=profile, reference=right))
    assert taken.json()["status"] == "stored"
    assert len(served.replies) == 1


async def test_a_difference_that_overflows_is_refused(served: Served) -> None:
    node = await served.join("pi-1")
    sent = Record("arrays", "arrays", blob=BlobRef("ab" * 32, 9))
    (item,) = await served.send(
        [node], expect=[["w", "float32", [5000]]], max_bytes=100_000, records=[sent]
    )
    large = {"w": np.full(5000, 3e38, np.float32)}
    base = codec.Reference({"w": np.full(5000, -3e38, np.float32)}, "ab" * 32)
    answer = await node.put(item, node.result(item, large, profile="bf16", reference=base))
    assert answer.status_code == 422
    assert "NaN or infinite" in answer.json()["detail"]


async def test_bytes_of_another_hash_are_refused(served: Served) -> None:
    node = await served.join("pi-1")
    (item,) = await served.send([node], retries=1)
    data = node.result(item, MODEL)
    answer = await node.put(item, data, sha256="0" * 64)
    assert (answer.status_code, "hash" in answer.json()["detail"]) == (422, True)
    assert spooled(served) == []
    assert (await node.put(item, data)).json()["status"] == "stored"


async def talk(served: Served, node: Node, item: str, length: int, body: bytes) -> bytes:
    """Announce `length` bytes, send `body`, return the head of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = (
        f"PUT /api/v1/work/{item}/result HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {node.token}\r\nX-Fedbed-Sha256: {'0' * 64}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    answer = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    return answer


async def test_a_result_too_large_is_refused_before_its_body(served: Served) -> None:
    node = await served.join("pi-1")
    (item,) = await served.send([node])
    answer = await talk(served, node, item, 10**12, b"")
    assert b" 422 " in answer
    assert "bytes announced" in row(served, item).reason
    assert not served.centre.exchange.folder("run").exists()


async def test_a_length_is_asked_for(served: Served) -> None:
    node = await served.join("pi-1")
    (item,) = await served.send([node])

    async def chunks() -> Any:
        yield b"x"

    headers = {**node.headers, "X-Fedbed-Sha256": "0" * 64}
    path = f"/api/v1/work/{item}/result"
    answer = await served.client.put(path, content=chunks(), headers=headers)
    assert answer.status_code == 422
    assert row(served, item).state == "open"


async def test_a_cut_upload_leaves_nothing_and_may_be_repeated(served: Served) -> None:
    node = await served.join("pi-1")
    (item,) = await served.send([node])
    data = node.result(item, MODEL)
    _, writer = await start_upload(served, node, item, data)
    writer.transport.abort()
    await until(lambda: served.member(node).uploading == 0, served.centre.live)
    assert spooled(served) == []
    assert (await node.put(item, data)).json()["status"] == "stored"


async def start_upload(
    served: Served, node: Node, item: str, data: bytes
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = (
        f"PUT /api/v1/work/{item}/result HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {node.token}\r\nX-Fedbed-Sha256: {'0' * 64}\r\n"
        f"Content-Length: {len(data)}\r\n\r\n"
    )
    writer.write(head.encode() + data[:20])
    await writer.drain()
    await until(lambda: served.member(node).uploading == 1, served.centre.live)
    assert served.state(node) == "update"
    return reader, writer


async def test_a_second_upload_takes_over_from_a_dead_connection(served: Served) -> None:
    node = await served.join("pi-1")
    (item,) = await served.send([node])
    data = node.result(item, MODEL)
    reader, writer = await start_upload(served, node, item, data)
    assert (await asyncio.wait_for(node.put(item, data), 10)).json()["status"] == "stored"
    assert b" 403 " in await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert spooled(served) == [f"{item}.result"]


async def test_a_result_for_a_closed_round_is_refused(served: Served) -> None:
    one, two = await served.join("pi-1"), await served.join("pi-2")
    first, late = await served.send([one, two], enough=1)
    assert (await one.put(first, one.result(first, MODEL))).json()["status"] == "stored"
    answer = await two.put(late, two.result(late, MODEL))
    assert (answer.status_code, answer.json()["code"]) == (403, "Refused")
    assert (await two.poll(0.0, holding=[late])).json()["drop"] == [late]
    assert len(served.replies) == 1


async def test_a_round_that_closes_during_the_upload_wins(served: Served) -> None:
    node = await served.join("pi-1")
    (item,) = await served.send([node])
    data = node.result(item, MODEL)
    reader, writer = await start_upload(served, node, item, data)
    served.centre.board.cancel("run")
    writer.write(data[20:])
    await writer.drain()
    assert b" 4" in await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert spooled(served) == []


async def test_an_answer_to_an_earlier_question_is_no_failure(served: Served) -> None:
    node = await served.join("pi-1")
    (item,) = await served.send([node], expect=EXPECT)
    asked = (await node.poll(0.0)).json()["work"]
    stale = await node.put(item, node.result(item, MODEL, question="what was asked before"))
    assert (stale.status_code, stale.json()["code"]) == (403, "Refused")
    assert served.centre.board.is_open(item, node.id)
    assert served.replies == []
    fresh = await node.put(item, node.result(item, MODEL, question=asked["question"]))
    assert fresh.json()["status"] == "stored"


async def test_another_node_cannot_answer(served: Served) -> None:
    one, two = await served.join("pi-1"), await served.join("pi-2")
    (item,) = await served.send([one])
    for name in (item, "never.0"):
        answer = await two.put(name, two.result(item, MODEL))
        assert (answer.status_code, answer.json()["code"]) == (404, "NotFound")
    assert served.centre.board.is_open(item, one.id)


async def test_done_items_are_answered_from_disk_after_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        one, two = await served.join("pi-1"), await served.join("pi-2")
        first, second = await served.send([one, two], expect=EXPECT)
        await one.put(first, one.result(first, MODEL))
        data = two.result(second, MODEL)
    async with serving(tmp_path) as again:
        one, two = await again.join("pi-1"), await again.join("pi-2")
        assert (await two.put(second, data)).json()["status"] == "stored"
        await again.send([one, two], expect=EXPECT)
        assert sorted(m["item"] for m in again.replies) == [first, second]
        assert not again.centre.board.windows
        assert (await one.poll(0.0)).json()["work"] is None


@pytest.mark.parametrize("fault", ["gone", "damaged", "another question", "not what is expected"])
async def test_a_result_that_will_not_do_is_asked_for_again(tmp_path: Path, fault: str) -> None:
    async with serving(tmp_path) as served:
        node = await served.join("pi-1")
        (item,) = await served.send([node])
        arrays = NAN if fault == "not what is expected" else MODEL
        assert (await node.put(item, node.result(item, arrays))).status_code == 200
        file = Path(row(served, item).file)
    if fault == "gone":
        file.unlink()
    elif fault == "damaged":
        file.write_bytes(file.read_bytes()[:-1])
    async with serving(tmp_path) as again:
        node = await again.join("pi-1")
        await again.send(
            [node], max_bytes=9_999 if fault == "another question" else 10_000, expect=EXPECT
        )
        assert not again.replies
        assert (await node.poll(0.0)).json()["work"]["id"] == item
        assert (await node.put(item, node.result(item, MODEL))).json()["status"] == "stored"
        assert len(again.replies) == 1


async def test_a_foreign_file_is_no_result(served: Served, tmp_path: Path) -> None:
    node = await served.join("pi-1")
    (item,) = await served.send([node])
    assert (await node.put(item, b"FBR1 but no envelope")).status_code == 422
    assert envelope.MAGIC == b"FBR1"
