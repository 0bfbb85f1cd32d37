from __future__ import annotations

import hashlib
import json
import random
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import numpy as np
import pytest

from fedbed import codec
from fedbed.errors import PayloadError
from fedbed.link import envelope
from fedbed.link.envelope import Envelope

META = {"item": "run-1/3/pi-07", "metrics": {"loss": 0.25, "n": 2**63}, "text": "Gerät 🙂"}
UPDATE = {"w": np.arange(6, dtype="f4").reshape(2, 3)}
STATE = {"m": np.zeros(0, "i8")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "result"
    envelope.write(path, META, [("update", codec.encode(UPDATE)), ("state", codec.encode(STATE))])
    return path


def raw(head: object, rest: bytes = b"") -> bytes:
    if not isinstance(head, bytes):
        head = json.dumps(head).encode()
    return b"FBR1" + struct.pack("<I", len(head)) + head + rest


def test_an_envelope_may_be_synced_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "result"
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", synced.append)
    size, digest = envelope.write(path, META, [("update", codec.encode(UPDATE))], synced=False)
    assert not synced
    assert (size, digest) == (
        path.stat().st_size,
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    envelope.sync(path)
    assert len(synced) == 2  # the file and its name
    path.unlink()
    envelope.sync(path)
    assert len(synced) == 2


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "result"
    data = codec.encode(UPDATE)
    size, digest = envelope.write(path, META, [("update", data), ("none", b"")])
    assert size == path.stat().st_size
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    listed = [{"name": "update", "bytes": len(data)}, {"name": "none", "bytes": 0}]
    assert envelope.read_meta(path) == {**META, "payloads": listed}
    opened = Envelope.open(path)
    assert opened.meta == envelope.read_meta(path)
    assert opened.names == ["update", "none"]
    with opened.payload("update") as payload:
        payload.verify([codec.ArraySpec("w", "float32", (2, 3))])
        assert payload.read("w").tolist() == UPDATE["w"].tolist()
    with pytest.raises(PayloadError, match="only 0 bytes"):
        opened.payload("none")
    with pytest.raises(PayloadError, match=r"no payload 'x'; it has \['update', 'none'\]"):
        opened.payload("x")


def test_written_again_it_is_replaced_and_leaves_nothing_behind(path: Path) -> None:
    meta = envelope.read_meta(path)
    envelope.write(path, meta, [])
    assert envelope.read_meta(path) == {**META, "payloads": []}
    assert [found.name for found in path.parent.iterdir()] == ["result"]


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"loss": float("nan")}, "no JSON: Out of range"),
        ({"array": np.zeros(1)}, "no JSON: .*ndarray"),
        ({"text": "\ud800"}, "no JSON: .*surrogates"),
        ({"text": "x" * (1 << 20)}, "at most 1048576"),
        ({"n": 10**20}, "too large"),
        ({"1": 0, 1: 0}, "twice"),
    ],
)
def test_what_could_not_be_read_is_not_written(
    tmp_path: Path, meta: Dict[str, Any], message: str
) -> None:
    with pytest.raises(PayloadError, match=message):
        envelope.write(tmp_path / "result", meta, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("names", [["a", "a"], [""], ["x" * 129], list(map(str, range(65))), [3]])
def test_names_of_payloads_are_checked(tmp_path: Path, names: Any) -> None:
    with pytest.raises(PayloadError):
        envelope.write(tmp_path / "result", {}, [(name, b"") for name in names])
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def no_space(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="no space"):
        envelope.write(path, {}, [])
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == ["result"]


DEEP = json.loads("[" * 40 + "]" * 40)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no fedbed result"),
        (b"FBP1" + bytes(10), "no fedbed result"),
        (b"FBR1\xff\xff\xff\xff", "4294967295 bytes"),
        (raw(b"{}")[:-1], "cut off"),
        (raw(b"\xff"), "UnicodeDecodeError"),
        (raw(b"[" * 900_000), "RecursionError"),
        (raw([]), "JSON object"),
        (raw({}), "payloads must be a list"),
        (raw({"payloads": [], "x": DEEP}), "deeper than 32"),
        (raw(b'{"payloads":[],"x":NaN}'), "NaN is no JSON"),
        (raw(b'{"payloads":[],"x":1e999}'), "can't be kept"),
        (raw(b'{"payloads":[],"x":"\\ud800"}'), "can't be kept"),
        (raw(b'{"payloads":[],"x":' + b"9" * 900_000 + b"}"), "too large"),
        (raw(b'{"payloads":[],"x":1,"x":2}'), "twice"),
        (raw({"payloads": [3]}), "exactly name and bytes"),
        (raw({"payloads": [{"name": "a", "bytes": -1}]}), "impossible length"),
        (raw({"payloads": [{"name": "a", "bytes": True}]}), "impossible length"),
        (raw({"payloads": [{"name": "a", "bytes": 1.0}]}), "impossible length"),
        (raw({"payloads": [{"name": ["a"], "bytes": 1}]}), "name must have"),
        (raw({"payloads": [{"name": "a", "bytes": 0}] * 2}), "comes twice"),
        (raw({"payloads": [{"name": "a", "bytes": 9}]}, bytes(8)), "8 bytes; its meta declares 9"),
        (raw({"payloads": []}, b"x"), "carries 1 bytes"),
    ],
)
def test_each_lie_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "result"
    path.write_bytes(data)
    with pytest.raises(PayloadError, match=message) as caught:
        envelope.read_meta(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(PayloadError, match=message):
        Envelope.open(path)


def test_flips_and_cuts(path: Path) -> None:
    rng = random.Random(7)
    whole = path.read_bytes()
    damaged = [whole[:length] for length in range(0, len(whole), 3)]
    for _ in range(1500):
        hurt = bytearray(whole)
        hurt[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        damaged.append(bytes(hurt))
    for data in damaged:
        path.write_bytes(data)
        try:
            opened = Envelope.open(path)
            for name in opened.names:
                with opened.payload(name) as payload:
                    payload.verify()
        except PayloadError as error:
            assert "\n" not in str(error)


def test_size_is_bounded(path: Path) -> None:
    size = path.stat().st_size
    assert Envelope.open(path, size).names == ["update", "state"]
    with pytest.raises(PayloadError, match=f"result of {size} bytes; at most {size - 1}"):
        Envelope.open(path, size - 1)
    with pytest.raises(FileNotFoundError):
        Envelope.open(path.parent / "missing")


def test_the_daemon_needs_no_numpy(path: Path) -> None:
    program = (
        "import sys\n"
        "from fedbed.link import envelope\n"
        "meta = envelope.read_meta(sys.argv[1])\n"
        "envelope.write(sys.argv[1] + '.copy', meta, [('a', b'x')])\n"
        "print(meta['item'], sorted({'numpy', 'zstandard', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    assert done.stdout == "run-1/3/pi-07 []\n"
