from __future__ import annotations

import pytest

from fedbed.telemetry.backlog import Backlog, Chunk, batches


def chunk(*lines: str) -> Chunk:
    return Chunk("".join(f"{line}\n" for line in lines).encode(), len(lines))


def test_the_oldest_come_out_first_as_many_as_fit() -> None:
    backlog = Backlog()
    for name in ("one", "two", "six"):
        backlog.add(chunk(name))
    assert backlog.size == 12
    assert backlog.take(8) == chunk("one", "two")
    assert backlog.take(8) == chunk("six")
    assert (backlog.take(8), backlog.size) == (None, 0)


def test_a_chunk_that_is_too_large_comes_out_alone_and_may_go_back() -> None:
    backlog = Backlog()
    backlog.add(chunk("a", "b", "c"))
    backlog.add(chunk("d"))
    taken = backlog.take(1)
    assert taken == chunk("a", "b", "c")
    backlog.put_back(taken)
    assert backlog.size == 8
    assert backlog.take(100) == chunk("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (100, [chunk("aa", "bb", "cc")]),
        (6, [chunk("aa", "bb"), chunk("cc")]),
        (5, [chunk("aa"), chunk("bb"), chunk("cc")]),
        (1, [chunk("aa"), chunk("bb"), chunk("cc")]),
    ],
)
def test_batches_end_where_lines_end(limit: int, expected: list[Chunk]) -> None:
    assert batches(b"aa\nbb\ncc\n", limit) == expected


def test_a_last_line_that_was_cut_is_left_out() -> None:
    assert batches(b"aa\nbb\ncc val", 100) == [chunk("aa", "bb")]
    assert batches(b"", 100) == []
