"""Whatever comes in: arrays or PayloadError, and no memory beyond what is permitted."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import struct
import tracemalloc
import zlib
from typing import Any, Callable, Dict, List

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbed import codec
from fedbed.codec import Payload
from fedbed.errors import PayloadError

SHA = hashlib.sha256(bytes(4)).hexdigest()


def payload(header: object, body: bytes = bytes(4), canonical: bool = True) -> bytes:
    """A payload around any header; the hash is put right where there is one."""
    if isinstance(header, dict) and header.get("sha256") == SHA:
        header = {**header, "sha256": hashlib.sha256(body).hexdigest()}
    if not isinstance(header, bytes):
        separators = (",", ":") if canonical else (", ", ": ")
        header = json.dumps(header, sort_keys=True, separators=separators).encode()
    return b"FBP1" + struct.pack("<I", len(header)) + header + body


def valid() -> Dict[str, Any]:
    entry = {
        "dtype": "float32",
        "name": "w",
        "nbytes": 4,
        "segments": [["raw", 4, 4]],
        "shape": [1],
        "stages": [],
    }
    return {"arrays": [entry], "profile": "raw", "sha256": SHA, "version": 1}


def attempt(data: bytes) -> bool:
    """Decode by every way; True if they all accept. Any error but PayloadError fails the test."""
    try:
        made = Payload.from_bytes(data, max_bytes=1 << 24)
        made.specs  # noqa: B018
        made.arrays()
        made.verify(finite=False)
        codec.decode(data, max_bytes=1 << 24)
    except PayloadError as error:
        assert "\n" not in str(error)
        assert 0 < len(str(error)) < 400
        return False
    return True


def samples() -> List[bytes]:
    rng = np.random.default_rng(4)
    model: Dict[str, Any] = {
        "w": (rng.standard_normal(700) * 0.1).astype("f4"),
        "b": np.arange(300),
        "m": rng.random(1500) < 0.1,
        "e": np.zeros((0, 3)),
        "s": np.array(1.5),
    }
    return [codec.encode(model, "raw")] + [
        codec.encode(model, "exact", name) for name in codec.compressors()
    ]


def test_the_valid_one_is_valid() -> None:
    assert codec.decode(payload(valid()))["w"].tolist() == [0.0]
    assert all(attempt(data) for data in samples())


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.binary(max_size=300), st.sampled_from([b"", b"FBP1", b"FBP1\x04\0\0\0", b"FBP1\2\0\0\0"]))
def test_random_bytes(data: bytes, start: bytes) -> None:
    assert not attempt(start + data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.data(), JSON)
def test_any_json_in_any_place_of_the_header(data: st.DataObject, value: Any) -> None:
    header = valid()
    place = data.draw(st.sampled_from([header, header["arrays"][0], header["arrays"], None]))
    if place is None:
        header = value
    else:
        keys: Any = range(len(place)) if isinstance(place, list) else sorted(place)
        place[data.draw(st.sampled_from(list(keys)))] = value
    attempt(payload(header))


def test_bit_flips_and_cuts() -> None:
    rng = random.Random(5)
    for data in samples():
        for _ in range(1500):
            hurt = bytearray(data)
            # Headers are short and bodies long; half of the hits go to the header.
            end = len(data) if rng.random() < 0.5 else 1000
            for _ in range(rng.choice([1, 1, 1, 3, 20])):
                hurt[rng.randrange(end)] ^= 1 << rng.randrange(8)
            attempt(bytes(hurt))
        for length in rng.sample(range(len(data)), 400):
            assert not attempt(data[:length])
        assert not attempt(data + b"\0")


def test_flips_in_the_body_with_a_right_hash() -> None:
    rng = random.Random(6)
    for data in samples():
        (length,) = struct.unpack("<I", data[4:8])
        header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
        for _ in range(500):
            hurt = bytearray(body)
            for _ in range(rng.choice([1, 1, 5])):
                hurt[rng.randrange(len(hurt))] ^= 1 << rng.randrange(8)
            header["sha256"] = hashlib.sha256(hurt).hexdigest()
            attempt(payload(header, bytes(hurt)))


def _set(place: str, value: Any) -> Callable[[Dict[str, Any]], None]:
    def change(header: Dict[str, Any]) -> None:
        (header if place in header else header["arrays"][0])[place] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("version", 2), "version is 2; this fedbed reads 1"),
        (_set("version", True), "version is missing"),
        (_set("profile", "X"), "profile"),
        (_set("profile", None), "profile"),
        (_set("sha256", "00"), "sha256 must be"),
        (_set("sha256", "0" * 64), "its sha256 isn't"),
        (_set("arrays", {}), "must be a list"),
        (_set("arrays", [[]]), "exactly dtype, name"),
        (_set("arrays", valid()["arrays"] * 2), "'w' comes twice"),
        (_set("arrays", []), "body has 4 bytes; its header declares 0"),
        (_set("arrays", [0] * 8193), "at most 8192"),
        (_set("name", 3), "must be a string"),
        (_set("name", "\ud800"), "lone surrogate"),
        (_set("name", "x" * 513), "513 bytes; 512 are allowed"),
        (_set("dtype", "object"), "'object' can't be sent"),
        (_set("dtype", ["float32"]), "can't be sent"),
        (_set("shape", [-1]), "impossible dimension"),
        (_set("shape", [True]), "impossible dimension"),
        (_set("shape", [1.0]), "impossible dimension"),
        (_set("shape", 1), "must be a tuple"),
        (_set("shape", [1] * 33), "at most 32"),
        (_set("shape", [2**40, 2**40]), "overflows"),
        (_set("shape", [0, 2**62]), "overflows"),
        (_set("shape", [10**30]), "too large"),
        (_set("shape", [2]), "nbytes doesn't follow"),
        (_set("nbytes", 4.0), "nbytes doesn't follow"),
        (_set("stages", ["int4"]), "stages that"),
        (_set("stages", ["planes", "planes"]), "stages that"),
        (_set("stages", None), "stages that"),
        (_set("stages", ["planes"]), "4 segments"),
        (_set("segments", []), "1 segments"),
        (_set("segments", [["raw", 2, 2], ["raw", 2, 2]]), "1 segments"),
        (_set("segments", [["raw", 4, 3]]), "sizes are wrong"),
        (_set("segments", [["raw", 4, -4]]), "sizes are wrong"),
        (_set("segments", [["zlib", 4, 4]]), "sizes are wrong"),
        (_set("segments", [["zlib", 4, 0]]), "sizes are wrong"),
        (_set("segments", [["zlib", 8, 4]]), "sizes are wrong"),
        (_set("segments", [["zlib", 4, True]]), "sizes are wrong"),
        (_set("segments", [["lzma", 4, 3]]), "sizes are wrong"),
        (_set("segments", ["raw"]), "sizes are wrong"),
    ],
)
def test_each_lie_of_a_header_is_named(
    change: Callable[[Dict[str, Any]], None], message: str
) -> None:
    header = copy.deepcopy(valid())
    change(header)
    with pytest.raises(PayloadError, match=message):
        codec.decode(payload(header))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "only 0 bytes"),
        (b"FBP2" + bytes(8), "no fedbed payload"),
        (b"FBP1\xff\xff\xff\xff", "header of 4294967295 bytes"),
        (b"FBP1\xff\0\0\0", "cut off"),
        (payload(b"[" * 500_000), "RecursionError"),
        (payload(b'{"a":' * 200_000), "RecursionError"),
        (payload(b"[" + b"9" * 900_000 + b"]"), "too large"),
        (payload(b"\xff\xfe"), "UnicodeDecodeError"),
        (payload(b"NaN"), "version is missing"),
        (payload(valid(), canonical=False), "canonical"),
        (payload(b'{"version":1,' + json.dumps(valid()).encode()[1:]), "canonical"),
        (payload(valid(), bytes(5)), "5 bytes; its header declares 4"),
    ],
)
def test_each_damaged_frame_is_named(data: bytes, message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        codec.decode(data)


def test_a_bool_must_be_0_or_1() -> None:
    header = valid()
    header["arrays"][0].update(dtype="bool", shape=[4])
    assert codec.decode(payload(header))["w"].tolist() == [False] * 4
    with pytest.raises(PayloadError, match="neither 0 nor 1"):
        codec.decode(payload(header, b"\0\1\2\1"))


def _compressed(compressor: str, stored: bytes, raw: int) -> bytes:
    header = valid()
    header["arrays"][0].update(
        dtype="uint8", shape=[raw], nbytes=raw, segments=[[compressor, raw, len(stored)]]
    )
    return payload(header, stored)


def _zstd(data: bytes, content_size: bool = True) -> bytes:
    zstandard = pytest.importorskip("zstandard")
    compressor = zstandard.ZstdCompressor(write_content_size=content_size)
    return bytes(compressor.compress(data))


def test_segments_of_another_length_than_declared() -> None:
    content = bytes(1000)
    for name, stored in (("zlib", zlib.compress(content)), ("zstd", _zstd(content))):
        assert attempt(_compressed(name, stored, 1000))
        for raw, data in [
            (999, stored),
            (1001, stored),
            (1000, stored + b"x"),
            (1000, stored[:-1]),
            (2000, stored + stored),
        ]:
            with pytest.raises(PayloadError, match="damaged"):
                codec.decode(_compressed(name, data, raw))
    with pytest.raises(PayloadError, match="another size"):
        codec.decode(_compressed("zstd", _zstd(content, content_size=False), 1000))
    skippable = b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + bytes(4)
    with pytest.raises(PayloadError, match="damaged"):
        codec.decode(_compressed("zstd", skippable + _zstd(content), 1000))


def _peak(data: bytes, max_bytes: int) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(PayloadError):
            codec.decode(data, max_bytes)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("raw", [10_000, 1 << 30])
def test_bombs_take_no_more_memory_than_declared_and_permitted(raw: int) -> None:
    content = bytes(50_000_000)
    deflated = zlib.compress(content)
    for name, stored in [("zlib", deflated), ("zstd", _zstd(content)), ("zlib", deflated[:5000])]:
        bomb = _compressed(name, stored[: min(len(stored), raw - 1)], raw)
        assert _peak(bomb, 1 << 20) < 300_000


def test_a_zstd_frame_that_lies_about_its_size_is_bounded() -> None:
    frame = bytearray(_zstd(bytes(50_000_000)))
    assert frame[4] & 0xC0 == 0x80  # the content size has four bytes, after an optional window
    place = 5 if frame[4] & 0x20 else 6
    frame[place : place + 4] = struct.pack("<I", 100_000)
    assert _peak(_compressed("zstd", bytes(frame), 100_000), 1 << 20) < 1_000_000


def test_a_header_cannot_take_much_memory() -> None:
    for text in (b"[" + b"[]," * 349_000 + b"0]", b"[" + b"{}," * 349_000 + b"0]"):
        assert _peak(payload(text), 1 << 20) < 40_000_000


def test_an_array_too_large_for_this_machine_is_a_payload_error() -> None:
    header = valid()
    raw = 1 << 62
    header["arrays"][0].update(dtype="uint8", shape=[raw], nbytes=raw, segments=[["zlib", raw, 4]])
    with pytest.raises(PayloadError, match="no memory"):
        codec.decode(payload(header), max_bytes=1 << 63)


def test_the_total_is_bounded_before_anything_else() -> None:
    data = codec.encode({"a": np.zeros(1000, "u1"), "b": np.zeros(1000, "u1")})
    assert len(codec.decode(data, max_bytes=2000)) == 2
    with pytest.raises(PayloadError, match="more than the 1999 bytes permitted"):
        Payload.from_bytes(data, max_bytes=1999)
