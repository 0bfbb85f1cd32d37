from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from fedbed.telemetry.outbox import Limits, Outbox
from fedbed.telemetry.point import Point
from tests.parts import fill, small_disk

SMALL = Limits(memory_bytes=400, disk_bytes=1000, batch_bytes=100, free_bytes=0)
"""A point of these tests is one line of 20 bytes."""


def point(number: int) -> Point:
    return Point("m", {"node": "pi"}, {"v": True}, number)


def points(first: int, last: int) -> list[Point]:
    return [point(number) for number in range(first, last + 1)]


def outbox(folder: Path, limits: Limits = SMALL) -> Outbox:
    made = Outbox(folder, limits)
    made.open()
    return made


def numbers(data: bytes) -> list[int]:
    return [int(line.split()[-1]) for line in data.splitlines()]


def delivered(box: Outbox, most: int = 1000) -> list[int]:
    """Take batches, each acknowledged, until nothing waits; returns the times of their points."""
    found: list[int] = []
    for _ in range(most):
        batch = box.next()
        if batch is None:
            break
        found += numbers(batch.data)
        box.done()
    return found


def test_while_the_broker_answers_nothing_is_written_to_the_disk(tmp_path: Path) -> None:
    box = outbox(tmp_path / "box")
    for number in range(1, 200):
        box.add([point(number)])
        box.tidy()
        assert delivered(box) == [number]
    assert list((tmp_path / "box").iterdir()) == []
    assert (box.waiting, box.dropped) == (0, 0)


def test_a_batch_is_the_same_until_it_is_acknowledged(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    box.add(points(1, 2))
    first = box.next()
    box.add(points(3, 4))
    assert box.next() is first
    assert box.waiting == 4
    box.done()
    assert delivered(box) == [3, 4]
    assert box.waiting == 0


def test_what_the_server_refuses_for_good_is_counted(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    box.add(points(1, 3))
    assert box.next() is not None
    box.done(refused=2)
    assert (box.waiting, box.dropped, box.next()) == (0, 2, None)


def test_a_batch_that_is_done_after_the_end_is_there_in_the_next_life(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    box.add(points(1, 3))
    assert box.next() is not None
    box.close()
    box.done()
    assert delivered(outbox(tmp_path)) == [1, 2, 3]


def test_what_is_too_much_for_the_memory_goes_into_few_files_and_comes_back_in_order(
    tmp_path: Path,
) -> None:
    box = outbox(tmp_path)
    box.add(points(1, 3))
    assert box.next() is not None  # under way when the broker went
    written = set()
    for number in range(4, 51):
        box.add([point(number)])
        box.tidy()
        written |= set(tmp_path.glob("*.lines"))
    assert 1 < len(written) < 6
    assert box.waiting == 50
    assert delivered(box) == list(range(1, 51))
    assert (box.waiting, box.dropped, list(tmp_path.iterdir())) == (0, 0, [])


def test_beyond_its_bounds_the_oldest_are_given_up_and_counted(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    for number in range(1, 201):
        box.add([point(number)])
        box.tidy()
        on_disk = sum(path.stat().st_size for path in tmp_path.iterdir())
        assert on_disk <= SMALL.disk_bytes
    assert box.dropped > 0
    assert box.waiting + box.dropped == 200
    assert delivered(box) == list(range(box.dropped + 1, 201))


def test_without_anybody_who_tidies_the_memory_is_bounded_too(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    box.add(points(1, 100))
    for number in range(101, 201):
        box.add([point(number)])
    assert box.waiting * 20 <= 2 * SMALL.memory_bytes
    assert box.waiting + box.dropped == 200


def test_a_second_life_goes_on_with_what_the_first_had(tmp_path: Path) -> None:
    first = outbox(tmp_path)
    first.add(points(1, 30))
    first.tidy()
    first.add(points(31, 32))
    assert first.next() is not None
    first.close()
    second = outbox(tmp_path)
    assert second.waiting == 32
    second.add(points(33, 34))
    assert delivered(second) == list(range(1, 35))


def test_a_batch_from_memory_that_was_under_way_at_the_end_is_the_oldest_afterwards(
    tmp_path: Path,
) -> None:
    first = outbox(tmp_path)
    first.add(points(1, 2))
    assert first.next() is not None
    for number in range(3, 60):
        first.add([point(number)])
        first.tidy()
    first.close()
    assert delivered(outbox(tmp_path)) == list(range(first.dropped + 1, 60))


def test_a_file_that_was_half_sent_is_sent_again(tmp_path: Path) -> None:
    first = outbox(tmp_path)
    first.add(points(1, 12))
    first.close()
    second = outbox(tmp_path)
    assert delivered(second, most=1) == [1, 2, 3, 4, 5]
    # Killed here: the file is still there, whole.
    assert delivered(outbox(tmp_path)) == list(range(1, 13))


def test_damaged_files_cost_what_they_lack(tmp_path: Path) -> None:
    first = outbox(tmp_path)
    first.add(points(1, 12))
    first.close()
    (file,) = tmp_path.glob("*.lines")
    file.write_bytes(file.read_bytes()[:50])
    (tmp_path / "000000000000-7.lines").write_bytes(b"")
    (tmp_path / "note.txt").write_text("not ours")
    (tmp_path / "x.lines").write_text("nor this\n")
    (tmp_path / "1.part").write_text("half a file")
    second = outbox(tmp_path)
    assert second.waiting == 19
    assert delivered(second) == [1, 2]
    assert (second.waiting, second.dropped) == (0, 17)
    assert {path.name for path in tmp_path.iterdir()} == {"note.txt", "x.lines"}


def test_points_without_a_number_to_show_are_none(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    box.add([Point("m", {}, {"v": float("nan")}, 1)])
    box.add([])
    assert (box.waiting, box.next()) == (0, None)


def test_a_folder_that_cannot_be_used_means_memory_alone_and_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        box = outbox(tmp_path / "file" / "box")
        for number in range(1, 101):
            box.add([point(number)])
            box.tidy()
        box.close()
    assert len(caplog.records) == 1
    assert "memory alone" in caplog.text
    assert box.dropped > 0
    assert box.waiting + box.dropped == 100


def test_a_full_disk_is_left_alone_and_used_again_when_there_is_room(tmp_path: Path) -> None:
    now = 0.0
    with small_disk(tmp_path / "disk", 1 << 20):
        ballast = fill(tmp_path / "disk")
        box = Outbox(tmp_path / "disk", SMALL, now=lambda: now)
        box.open()
        box.add(points(1, 30))
        box.tidy()
        assert [path.name for path in (tmp_path / "disk").iterdir()] == ["ballast"]
        ballast.unlink()
        box.tidy()
        assert list((tmp_path / "disk").iterdir()) == []
        now = 61.0
        box.tidy()
        assert list((tmp_path / "disk").glob("*.lines"))
        assert delivered(box) == list(range(1, 31))


def test_a_disk_with_little_room_is_left_to_what_the_node_has_learnt(tmp_path: Path) -> None:
    free = shutil.disk_usage(str(tmp_path)).free
    box = outbox(tmp_path, Limits(400, 1000, 100, free_bytes=2 * free))
    box.add(points(1, 30))
    box.tidy()
    box.close()
    assert list(tmp_path.iterdir()) == []
