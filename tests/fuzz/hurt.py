"""Payloads and results that were right once, and what is done to them. Seeded, so repeatable."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

from fedbed import codec
from tests.fedbed.codec import test_hostile as exact
from tests.fedbed.codec import test_hostile_lossy as lossy

Hurt = Callable[[random.Random, bytes], bytes]
EXTREMES: list[Any] = [
    -1, 0, 1, 2**31 - 1, 2**32, 2**53 + 1, 2**63, 2**64, 10**30, -(2**63), 1.5, float("inf"),
    float("nan"), True, None, "", "raw", "zlib", "zstd", "\ud800", "x" * 600, [], {}, [[]], "w",
]  # fmt: skip


def payloads() -> list[bytes]:
    """Return valid payloads: every profile by every compressor."""
    return exact.samples() + lossy.samples()


def result(item: str, profile: str = "exact") -> bytes:
    """Return a valid result, as its bytes lie in a file and cross the network."""
    data = codec.encode(lossy.REFERENCE, profile, "zlib")
    listed: list[dict[str, Any]] = [
        {"name": "arrays", "kind": "arrays", "payload": "arrays"},
        {"name": "metrics", "kind": "metrics", "values": {"n": 3, "loss": {"float": "nan"}}},
        {"name": "config", "kind": "config", "values": {"b": {"bytes": "aGk="}, "l": [1.0, 2.0]}},
    ]
    meta = {
        "item": item,
        "records": listed,
        "error": None,
        "timeline": {"work_s": 0.5, "bytes_down": 10},
        "payloads": [{"name": "arrays", "bytes": len(data)}],
    }
    return framed(b"FBR1", meta, data)


def framed(magic: bytes, head: Any, rest: bytes) -> bytes:
    """Put a JSON head and what follows it together: payloads and results have the same frame."""
    text = json.dumps(head, sort_keys=True, separators=(",", ":")).encode()
    return magic + struct.pack("<I", len(text)) + text + rest


def unframed(data: bytes) -> tuple[bytes, Any, bytes]:
    """Take a valid frame apart: magic, head, rest."""
    (length,) = struct.unpack("<I", data[4:8])
    return data[:4], json.loads(data[8 : 8 + length]), data[8 + length :]


def flipped(rng: random.Random, data: bytes) -> bytes:
    hurt = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 3, 20])):
        hurt[rng.randrange(rng.choice([min(len(hurt), 600), len(hurt)]))] ^= 1 << rng.randrange(8)
    return bytes(hurt)


def cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def spliced(rng: random.Random, data: bytes) -> bytes:
    """Take a stretch out, put one in twice, or put some noise in."""
    begin, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    middle = rng.choice([b"", data[begin:end] * 2, rng.randbytes(rng.randrange(64))])
    return data[:begin] + middle + data[end:]


def noise(rng: random.Random, data: bytes) -> bytes:
    return rng.choice([b"", data[:4], data[:8], data[:100]]) + rng.randbytes(rng.randrange(400))


def misframed(rng: random.Random, data: bytes) -> bytes:
    """Say another length of the head."""
    (length,) = struct.unpack("<I", data[4:8])
    said = rng.choice([0, 1, length - 1, length + 1, 1 << 20, (1 << 20) + 1, 2**31, 2**32 - 1])
    return data[:4] + struct.pack("<I", said) + data[8:]


def lying(rng: random.Random, data: bytes) -> bytes:
    """Change values anywhere in the head, most of all lengths, and keep all else right."""
    magic, head, rest = unframed(data)
    for _ in range(rng.choice([1, 1, 2])):
        place: Any = head
        while True:
            key = (
                rng.choice(sorted(place)) if isinstance(place, dict) else rng.randrange(len(place))
            )
            if isinstance(place[key], (dict, list)) and place[key] and rng.random() < 0.9:
                place = place[key]
                continue
            break
        place[key] = _another(rng, place[key])
    return framed(magic, head, rest)


def _another(rng: random.Random, value: Any) -> Any:
    if type(value) is int and rng.random() < 0.5:
        return rng.choice([value - 1, value + 1, -value, value * 2, value * 2**32])
    return copy.deepcopy(rng.choice(EXTREMES))


def misstored(rng: random.Random, data: bytes) -> bytes:
    """Change the body of a payload, under a hash that is right."""
    magic, head, body = unframed(data)
    if not body or "sha256" not in head:
        return flipped(rng, data)
    body = rng.choice([flipped, spliced, cut])(rng, body)
    return framed(magic, dict(head, sha256=hashlib.sha256(body).hexdigest()), body)


def bomb(rng: random.Random, _data: bytes) -> bytes:
    """Much out of little: streams that grow to more than they declare, or than is permitted."""
    compressor, stored = rng.choice(_BOMBS)
    stored = rng.choice([stored, stored + b"x", stored[: rng.randrange(len(stored))]])
    raw = rng.choice([len(stored) + 1, 10_000, 1 << 20, 50_000_000, 1 << 40])
    entry = {
        "dtype": "uint8",
        "name": "w",
        "nbytes": raw,
        "segments": [[compressor, raw, len(stored)]],
        "shape": [raw],
        "stages": [],
    }
    digest = hashlib.sha256(stored).hexdigest()
    head = {"arrays": [entry], "profile": "exact", "sha256": digest, "version": 1}
    return framed(b"FBP1", head, stored)


def _bombs() -> list[tuple[str, bytes]]:
    content = bytes(50_000_000)
    found = [("zlib", zlib.compress(content, 9))]
    if "zstd" in codec.compressors():
        import zstandard

        for sized in (True, False):
            engine = zstandard.ZstdCompressor(write_content_size=sized)
            found.append(("zstd", bytes(engine.compress(content))))
        lie = bytearray(found[1][1])
        place = 5 if lie[4] & 0x20 else 6
        lie[place : place + 4] = struct.pack("<I", 10_000)
        found.append(("zstd", bytes(lie)))
    return found


_BOMBS = _bombs()
WAYS: list[Hurt] = [flipped, cut, spliced, noise, misframed, bomb]
WAYS += [lying, misstored] * 2  # these come furthest
