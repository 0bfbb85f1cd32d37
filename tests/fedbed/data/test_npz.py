"""Reading .npz files: what is right, and everything that somebody may put there instead."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from typing import Any, Dict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbed.data.npz import MAX_MEMBERS, parse_npz
from fedbed.errors import DataError

WANTED = {"images": ("uint8", (4, 2, 2, 3)), "labels": ("int64", (4,))}


def arrays() -> Dict[str, Any]:
    return {
        "images": np.arange(48, dtype=np.uint8).reshape(4, 2, 2, 3),
        "labels": np.array([3, 1, 2, 0], np.int64),
    }


def npz(packed: bool = True, **values: Any) -> bytes:
    out = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(out, **values)
    return out.getvalue()


def member(values: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return out.getvalue()


LABELS = member(arrays()["labels"])
IMAGES = member(arrays()["images"])


def header(text: str, version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize("packed", [False, True])
def test_round_trip(packed: bool) -> None:
    got = parse_npz(npz(packed, **arrays(), more=np.zeros(3)), "x", WANTED)
    assert set(got) == set(WANTED)
    for name, values in arrays().items():
        np.testing.assert_array_equal(got[name], values)
        assert got[name].dtype == values.dtype
    got["images"][:] = 0  # writable


def test_another_byte_order_is_turned() -> None:
    got = parse_npz(npz(**{**arrays(), "labels": arrays()["labels"].astype(">i8")}), "x", WANTED)
    assert got["labels"].tolist() == [3, 1, 2, 0]
    assert got["labels"].dtype.isnative


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"images": np.zeros((4, 2, 2, 3), np.float32)}, r"'images' holds float32 \[4, 2, 2, 3\]"),
        ({"images": np.zeros((4, 2, 2), np.uint8)}, r"uint8 \[4, 2, 2\], expected uint8 \[4, 2, 2"),
        ({"labels": np.zeros((5,), np.int64)}, r"'labels' holds int64 \[5\], expected int64 \[4\]"),
        ({"labels": np.zeros(4, np.int32)}, "'labels' holds int32"),
        ({"labels": np.array([None] * 4)}, "'labels' holds object"),
        ({"images": np.asfortranarray(arrays()["images"])}, "in Fortran order"),
    ],
)
def test_other_contents(change: Dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        parse_npz(npz(**{**arrays(), **change}), "odd.npz", WANTED)
    assert str(caught.value).startswith("odd.npz: ")
    assert "\n" not in str(caught.value)


def test_missing_and_doubled_arrays() -> None:
    with pytest.raises(DataError, match=r"'labels' is not in it \(it holds images.npy\)"):
        parse_npz(zipped(images=IMAGES), "x", WANTED)
    out = io.BytesIO(zipped(images=IMAGES, labels=LABELS))
    with zipfile.ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("labels.npy", LABELS)
    with pytest.raises(DataError, match="'labels' is twice in it"):
        parse_npz(out.getvalue(), "x", WANTED)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not an .npz file"),
        (b"PK\x03\x04 something else", "not an .npz file"),
        (member(np.zeros(3)), "not an .npz file"),
        (zipped(images=IMAGES, labels=b""), "damaged|truncated"),
        (zipped(images=IMAGES, labels=LABELS[:-1]), "'labels' is truncated: 31 of 32 bytes"),
        (zipped(images=IMAGES, labels=LABELS + b"x"), "bytes after the 32"),
        (zipped(images=IMAGES, labels=header("{" * 5000)), "damaged"),
        (zipped(images=IMAGES, labels=header("(" * 300 + ")" * 300)), "damaged"),
        (zipped(images=IMAGES, labels=header("{'descr': '<i8'}")), "damaged"),
        (zipped(images=IMAGES, labels=header("x" * 40_000)), "damaged"),
        (zipped(images=IMAGES, labels=header("{}", b"\x09\x00")), "damaged"),
        (npz(**arrays())[:-30], "damaged"),
    ],
)
def test_damage(data: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        parse_npz(data, "odd.npz", WANTED)
    assert "odd.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_flipped_bit_is_found_by_the_checksum() -> None:
    data = bytearray(npz(packed=False, **arrays()))
    place = data.index(arrays()["images"].tobytes())
    data[place + 7] ^= 1
    with pytest.raises(DataError, match=r"damaged.*CRC"):
        parse_npz(bytes(data), "x", WANTED)


def test_encrypted_members_are_refused() -> None:
    data = bytearray(npz(**arrays()))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := data.find(mark, place + 1)) >= 0:
            data[place + offset] |= 1
    with pytest.raises(DataError, match=r"damaged.*encrypted"):
        parse_npz(bytes(data), "x", WANTED)


def peak_of(data: bytes, wanted: Any, says: str) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=says):
            parse_npz(data, "bomb", wanted)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_zip_bomb_takes_no_memory() -> None:
    zeros = np.zeros(50_000_000, np.uint8)
    bomb = npz(images=zeros, labels=arrays()["labels"])
    assert peak_of(bomb, WANTED, r"uint8 \[50000000\], expected") < 2_000_000
    tail = zipped(images=IMAGES + bytes(50_000_000), labels=LABELS)
    assert peak_of(tail, WANTED, "bytes after the 48") < 2_000_000


def test_a_promise_that_the_bytes_cannot_keep_takes_no_memory() -> None:
    shape = (200_000_000,)
    lie = header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}\n")
    wanted = {"images": ("uint8", shape)}
    assert peak_of(zipped(images=lie + b"few"), wanted, "truncated: .* can't hold it") < 2_000_000


def test_very_many_members_are_refused() -> None:
    many = zipped(**{f"m{i}": b"" for i in range(MAX_MEMBERS + 1)})
    with pytest.raises(DataError, match="more than 100 members"):
        parse_npz(many, "x", WANTED)


@given(
    st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=6),
    st.integers(0, 2**16),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_any_damage_gives_arrays_or_data_error(
    flips: list[tuple[int, int]], cut: int, packed: bool
) -> None:
    data = bytearray(npz(packed, **arrays()))
    for place, value in flips:
        data[place % len(data)] = value
    if cut % 3 == 0:
        del data[cut % len(data) :]
    try:
        got = parse_npz(bytes(data), "fuzz", WANTED)
    except DataError:
        return
    assert {name: a.shape for name, a in got.items()} == {"images": (4, 2, 2, 3), "labels": (4,)}
