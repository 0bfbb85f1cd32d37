from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbed.data.idx import parse_idx, read_idx
from fedbed.errors import DataError
from tests.fedbed.data.idx_writer import CODES, counting, idx_bytes

GOOD = idx_bytes(counting(5, 4, 3))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", sorted(CODES))
def test_round_trip_of_every_type(kind: str, packed: bool, tmp_path: Path) -> None:
    values = (np.arange(24).reshape(2, 3, 4) * 5 - 60).astype(kind)
    path = tmp_path / "values"
    path.write_bytes(gzip.compress(idx_bytes(values)) if packed else idx_bytes(values))
    got = read_idx(path)
    np.testing.assert_array_equal(got, values)
    assert got.dtype == values.dtype
    assert got.dtype.isnative


def test_empty_array_is_valid() -> None:
    assert parse_idx(idx_bytes(counting(0, 28, 28)), "x").shape == (0, 28, 28)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "begins with nothing"),
        (b"PK\x03\x04 something else", "not an IDX file"),
        (b"\0\0\x07\x01\0\0\0\x01a", "not an IDX file"),
        (b"\0\0\x08\x00", "0 dimensions"),
        (b"\0\0\x08\xff" + b"\0" * 2000, "255 dimensions"),
        (GOOD[:10], "truncated within its header"),
        (GOOD[:-1], "truncated"),
        (GOOD + b"x", "bytes after"),
        (gzip.compress(GOOD[:-1]), "truncated"),
        (gzip.compress(GOOD + b"x"), "bytes after"),
        (gzip.compress(GOOD)[:-9], "damaged or incomplete"),
        (gzip.compress(GOOD)[:-8] + b"\0" * 8, "damaged or incomplete"),  # the CRC
        (b"\x1f\x8b\x08" + b"\xff" * 60, "damaged or incomplete"),
    ],
)
def test_damage_names_the_file(data: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "odd-file.gz"
    path.write_bytes(data)
    with pytest.raises(DataError, match=says) as caught:
        read_idx(path)
    assert "odd-file.gz" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("packed", [False, True])
def test_a_lying_header_takes_no_memory(packed: bool) -> None:
    data = b"\0\0\x08\x01" + struct.pack(">I", 200_000_000) + b"few bytes"
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="truncated: it declares 200000000 bytes"):
            parse_idx(gzip.compress(data) if packed else data, "liar")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_a_gzip_bomb_takes_no_memory() -> None:
    bomb = gzip.compress(GOOD + b"\0" * 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="bytes after"):
            parse_idx(bomb, "bomb")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_permitted_maximum_is_exact() -> None:
    packed = gzip.compress(idx_bytes(np.zeros(10_000, np.uint8)))
    assert parse_idx(packed, "x", max_bytes=10_000).shape == (10_000,)
    with pytest.raises(DataError, match="declares 10000 bytes of values, permitted are 9999"):
        parse_idx(packed, "x", max_bytes=9_999)
    with pytest.raises(DataError, match="larger than the 20 bytes"):
        parse_idx(GOOD, "x", max_bytes=20)


def test_extents_that_would_overflow_are_refused() -> None:
    huge = b"\0\0\x0e\x04" + b"\xff" * 16 + b"data"
    with pytest.raises(DataError, match="permitted are"):
        parse_idx(huge, "huge")


def test_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"can't read .*absent: No such file"):
        read_idx(tmp_path / "absent")


@given(st.binary(max_size=80), st.booleans(), st.sampled_from([b"", b"\0\0\x08\x01", b"\x1f\x8b"]))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_an_array_or_data_error(body: bytes, packed: bool, head: bytes) -> None:
    data = gzip.compress(head + body) if packed else head + body
    try:
        values = parse_idx(data, "fuzz", max_bytes=100_000)
    except DataError:
        return
    assert values.nbytes <= 100_000
