"""Lossy payloads from anyone: arrays or PayloadError, and no memory beyond what is permitted."""

from __future__ import annotations

import hashlib
import json
import random
import struct
import tracemalloc
from typing import Any, Callable, Dict, List, Tuple

import numpy as np
import pytest

from fedbed import codec
from fedbed.codec import Payload
from fedbed.errors import PayloadError
from tests.fedbed.codec.test_hostile import payload

COUNT = 6000
REFERENCE = {"w": np.linspace(-1, 1, COUNT, dtype=np.float32).reshape(60, 100)}
SCALE = struct.pack("<f", 0.5)

Change = Callable[[Dict[str, Any]], None]


def attempt(data: bytes) -> bool:
    """Decode by every way; True if they all accept. Any error but PayloadError fails the test."""
    try:
        made = Payload.from_bytes(data, 1 << 20, REFERENCE)
        made.arrays()
        made.verify(finite=False)
        codec.decode(data, 1 << 20, REFERENCE)
    except PayloadError as error:
        assert "\n" not in str(error)
        assert 0 < len(str(error)) < 400
        return False
    return True


def samples() -> List[bytes]:
    rng = np.random.default_rng(4)
    model = {"w": REFERENCE["w"] + rng.laplace(size=(60, 100)).astype("f4")}
    return [
        codec.encode(model, profile, compressor, REFERENCE)
        for profile in ("bf16", "int8", "small")
        for compressor in codec.compressors()
    ]


def parts(data: bytes) -> Tuple[Dict[str, Any], bytes]:
    (length,) = struct.unpack("<I", data[4:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def lossy(stages: List[str], *segments: bytes, count: int = COUNT) -> bytes:
    """A payload of one float32 array of `count` items, stored by `stages` without compression."""
    entry = {
        "dtype": "float32",
        "name": "w",
        "nbytes": 4 * count,
        "segments": [["raw", len(part), len(part)] for part in segments],
        "shape": [count],
        "stages": stages,
    }
    body = b"".join(segments)
    digest = hashlib.sha256(body).hexdigest()
    return payload({"arrays": [entry], "profile": "x", "sha256": digest, "version": 1}, body)


def test_bit_flips_cuts_and_flips_under_a_right_hash() -> None:
    rng = random.Random(5)
    for data in samples():
        assert attempt(data)
        header, body = parts(data)
        for _ in range(250):
            hurt = bytearray(data)
            for _ in range(rng.choice([1, 1, 3])):
                hurt[rng.randrange(rng.choice([600, len(data)]))] ^= 1 << rng.randrange(8)
            attempt(bytes(hurt))
            inside = bytearray(body)
            for _ in range(rng.choice([1, 1, 5])):
                # Scales and the frames' heads stand in front.
                place = rng.randrange(rng.choice([40, len(body)]))
                inside[place] ^= 1 << rng.randrange(8)
            header["sha256"] = hashlib.sha256(inside).hexdigest()
            attempt(payload(header, bytes(inside)))
        for length in rng.sample(range(len(data)), 50):
            assert not attempt(data[:length])


@pytest.mark.parametrize(
    "scale", [0.0, -0.0, -1.0, float("nan"), float("inf"), -float("inf"), 1e-40, 3e36, 3e38]
)
@pytest.mark.parametrize("stages", [["int8"], ["sparse", "int8"]])
def test_scales_must_be_such_as_an_encoder_writes(scale: float, stages: List[str]) -> None:
    middle = [b"\1\2"] if len(stages) == 2 else []
    levels = b"\x80\x7f" if middle else b"\x80" * COUNT
    assert attempt(lossy(stages, struct.pack("<f", 2.6e36), *middle, levels))
    with pytest.raises(PayloadError, match="a scale is NaN, infinite or out of range"):
        codec.decode(lossy(stages, struct.pack("<f", scale), *middle, levels))


@pytest.mark.parametrize(
    ("gaps", "levels", "message"),
    [
        (b"\xff" * 23 + b"\x87", 1, "out of range"),  # 6000: one past the last
        (b"\0" * 2 + b"\xff" * 22, 2, "differ in number"),
        (b"\0\0\xff", 2, "differ in number"),
        (b"\xff\0\0", 2, None),
        (b"\xff\0\0", 3, "differ in number"),
        (b"\xff" * 23 + b"\x86", 1, None),  # 5999: the last
        (b"", 0, None),
        (b"\0" * COUNT, COUNT, None),
        (b"\0" * (COUNT - 1) + b"\1", COUNT, "out of range"),
        (b"\0" * (COUNT + 1), COUNT + 1, "impossible number of positions"),
        (b"\0", 2, "impossible number of positions"),
        (b"\0" * 25, 1, "impossible number of positions"),
        (b"\0" * 24, 1, "too many"),
    ],
)
def test_positions_lie_within_the_array_one_for_each_value(
    gaps: bytes, levels: int, message: Any
) -> None:
    data = lossy(["sparse", "int8"], SCALE, gaps, b"\2" * levels)
    if message is None:
        assert np.count_nonzero(codec.decode(data)["w"]) == levels
        return
    with pytest.raises(PayloadError, match=message):
        codec.decode(data)


def test_positions_are_followed_over_blocks() -> None:
    count = 3_000_000
    array = np.zeros(count, np.float32)
    places = np.r_[0:40_000, 65_534:65_538, 999_999, 2_000_000:2_050_000:2, count - 1]
    array[places] = 1
    back = codec.decode(codec.encode({"w": array}, "small"))["w"]
    assert np.flatnonzero(back).tolist() == places.tolist()


def _entry(**changes: Any) -> Change:
    return lambda header: header["arrays"][0].update(changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: header.update(reference="0" * 63), "reference must be 64"),
        (lambda header: header.update(reference=["0" * 64]), "reference must be 64"),
        (lambda header: header.update(reference=None), "canonical"),
        (_entry(stages=["delta", "int8"]), "delta without its reference"),
        (_entry(stages=["delta"]), "stages that"),
        (_entry(stages=["int8", "delta"]), "stages that"),
        (_entry(stages=["delta", "planes"]), "stages that"),
        (_entry(stages=["sparse"]), "stages that"),
        (_entry(stages=["bf16", "int8"]), "stages that"),
        (_entry(stages=[["int8"]]), "stages that"),
        (_entry(stages={"int8": 1}), "stages that"),
        (_entry(dtype="int32"), "stages that"),
        (_entry(shape=[0], nbytes=0), "stages that"),
        (_entry(stages=["bf16"]), "sizes are wrong"),
        (_entry(shape=[60, 100]), "sizes are wrong"),
        (_entry(segments=[]), "must have 2 segments"),
        (_entry(segments={}), "segments must be a list"),
        (_entry(stages=["sparse", "int8"]), "must have 3 segments"),
        (_entry(stages=["sparse", "int8"], segments=[[], [], []]), "impossible number"),
        (_entry(stages=["sparse", "int8"], segments=[["raw", 4, 4]] * 2 + [["raw", True, 1]]), "3"),
        (
            _entry(stages=["sparse", "int8"], segments=[["raw", 4, 4], ["raw", 0, 0], ["raw"] * 3]),
            "must have 3 segments",
        ),
        (
            _entry(stages=["sparse", "int8"], segments=[["raw", 4, 4]] + [["zlib", -1, 0]] * 2),
            "impossible number",
        ),
    ],
)
def test_each_lie_of_a_lossy_header_is_named(change: Change, message: str) -> None:
    header, body = parts(lossy(["int8"], SCALE, b"\1" * COUNT))
    assert attempt(payload(header, body))
    change(header)
    with pytest.raises(PayloadError, match=message):
        codec.decode(payload(header, body))


def test_sums_out_of_range_are_infinite_and_noticed() -> None:
    reference = {"w": np.full(COUNT, 3e38, np.float32)}
    header, body = parts(lossy(["delta", "int8"], struct.pack("<f", 2e36), b"\x7f" * COUNT))
    header["reference"] = codec.fingerprint(reference)
    made = Payload.from_bytes(payload(header, body), reference=reference)
    made.verify(finite=False)
    with pytest.raises(PayloadError, match="6000 of 6000 values are NaN or infinite"):
        made.verify()


@pytest.mark.parametrize("profile", ["bf16", "int8", "small"])
@pytest.mark.parametrize("compressor", codec.compressors())
def test_reading_takes_little_more_than_the_array(profile: str, compressor: str) -> None:
    array = np.random.default_rng(7).laplace(size=(1000, 1000)).astype(np.float32)
    reference = {"w": np.zeros_like(array)}
    data = codec.encode({"w": array}, profile, compressor, reference)
    tracemalloc.start()
    try:
        with Payload.from_bytes(data, reference=reference) as made:
            made.read("w")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Planes before and after decompression, of one byte per item each, and blocks.
    assert peak < 1.6 * array.nbytes + 3_000_000


def test_declared_sizes_take_no_memory() -> None:
    count = 1 << 28
    segments = {
        "bf16": [["zlib", count, 9], ["zlib", count, 9]],
        "int8": [["raw", 4, 4], ["zlib", count, 9]],
        "small": [["raw", 4, 4], ["zlib", count, 9], ["zlib", count, 9]],
    }
    for profile, stages in [("bf16", ["bf16"]), ("int8", ["int8"]), ("small", ["sparse", "int8"])]:
        header, _ = parts(lossy(stages, SCALE, count=count))
        header["arrays"][0]["segments"] = segments[profile]
        body = bytes(4 + 9 * (len(segments[profile]) - 1) if profile != "bf16" else 18)
        tracemalloc.start()
        try:
            with pytest.raises(PayloadError, match="more than the 1048576 bytes permitted"):
                codec.decode(payload(header, body), 1 << 20)
            assert tracemalloc.get_traced_memory()[1] < 300_000
        finally:
            tracemalloc.stop()
