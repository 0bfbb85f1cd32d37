"""What waits: in order, bounded, on disk when it must, and counted when it is given up."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.telemetry.buffer import Buffer, Limits

SMALL = Limits(memory_lines=10, spill_lines=4, disk_bytes=60, batch_lines=3)


def filled(folder: Path, count: int, limits: Limits = SMALL) -> Buffer:
    buffer = Buffer(folder, limits)
    buffer.open()
    buffer.put(f"line-{number:02d}" for number in range(count))
    return buffer


def drain(buffer: Buffer) -> list[str]:
    lines = []
    while (batch := buffer.take()) is not None:
        lines += batch.lines
        buffer.settle(batch)
    return lines


def test_batches_come_in_order_and_stay_until_they_are_settled(tmp_path: Path) -> None:
    buffer = filled(tmp_path, 5)
    first = buffer.take()
    assert first is not None
    assert first.lines == ["line-00", "line-01", "line-02"]
    assert buffer.take() == first
    assert buffer.waiting == 5
    assert drain(buffer) == [f"line-{n:02d}" for n in range(5)]
    assert (buffer.waiting, buffer.dropped) == (0, 0)


def test_memory_is_bounded_and_what_goes_is_counted(tmp_path: Path) -> None:
    buffer = filled(tmp_path, 25)
    assert (buffer.waiting, buffer.dropped) == (10, 15)
    assert drain(buffer)[0] == "line-15"


def test_lines_that_go_while_they_are_out_are_not_taken_from_others(tmp_path: Path) -> None:
    buffer = filled(tmp_path, 10)
    batch = buffer.take()
    assert batch is not None
    buffer.put(["new-0", "new-1"])  # pushes out two of the three that are on their way
    buffer.settle(batch)
    assert drain(buffer) == [f"line-{n:02d}" for n in range(3, 10)] + ["new-0", "new-1"]


def test_the_oldest_go_to_disk_and_come_first_in_another_life(tmp_path: Path) -> None:
    limits = Limits(memory_lines=10, spill_lines=4, batch_lines=3)
    buffer = filled(tmp_path, 9, limits)
    buffer.spill()
    assert len(list(tmp_path.iterdir())) == 2
    assert buffer.waiting == 9
    buffer.spill(all_of_it=True)
    (tmp_path / "000000000009-3.new").write_text("half a")
    (tmp_path / "notes.txt").write_text("none of ours")

    later = Buffer(tmp_path, limits)
    later.open()
    later.put(["text with \u2028 in it"])
    assert later.waiting == 10
    assert drain(later) == [*(f"line-{n:02d}" for n in range(9)), "text with \u2028 in it"]
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_disk_is_bounded_and_what_goes_is_counted(tmp_path: Path) -> None:
    buffer = filled(tmp_path, 10)
    buffer.spill(all_of_it=True)
    assert (buffer.waiting, buffer.dropped) == (7, 3)
    assert drain(buffer)[0] == "line-03"


def test_a_file_that_is_gone_is_counted_and_left_behind(tmp_path: Path) -> None:
    buffer = filled(tmp_path, 6, Limits(memory_lines=10, batch_lines=3))
    buffer.spill(all_of_it=True)
    sorted(tmp_path.iterdir())[0].unlink()
    assert drain(buffer) == ["line-03", "line-04", "line-05"]
    assert buffer.dropped == 3


def test_what_can_not_be_written_stays_in_memory(tmp_path: Path) -> None:
    buffer = filled(tmp_path / "folder", 6)
    (tmp_path / "folder").rmdir()
    with pytest.raises(FileNotFoundError):
        buffer.spill(all_of_it=True)
    assert drain(buffer) == [f"line-{n:02d}" for n in range(6)]
    assert buffer.dropped == 0


def test_the_page_has_the_limits_of_the_code() -> None:
    page = (Path(__file__).parents[3] / "docs" / "influxdb.md").read_text()
    limits = Limits()
    assert f"memory | {limits.memory_lines:,} points" in page
    assert f"the oldest of more than {limits.spill_lines:,}" in page
    assert f"{limits.disk_bytes // 1_000_000} MB" in page


def test_a_batch_is_no_larger_than_proxies_take(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path)
    buffer.open()
    buffer.put(["x" * 300_000] * 3)
    batch = buffer.take()
    assert batch is not None
    assert len(batch.lines) == 1
