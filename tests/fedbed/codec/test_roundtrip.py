from __future__ import annotations

import sys
from pathlib import Path
from typing import Dict, List, Tuple

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbed import codec
from fedbed.codec import ArraySpec, Payload, compress
from fedbed.errors import PayloadError, UsageError
from tests.fedbed.codec.strategies import Array, bits, models

KINDS = [("raw", None)] + [("exact", name) for name in codec.compressors()]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(models(), st.sampled_from(KINDS))
def test_every_bit_comes_back(model: Dict[str, Array], kind: Tuple[str, str | None]) -> None:
    data = codec.encode(model, *kind)
    assert data == codec.encode(model, *kind)
    back = codec.decode(data)
    assert list(back) == list(model)
    for name, array in model.items():
        assert back[name].dtype == array.dtype.newbyteorder("=")
        assert back[name].dtype.isnative
        assert back[name].shape == array.shape
        assert back[name].flags.writeable
        assert back[name].flags.c_contiguous
        assert bits(back[name]) == bits(array)


@pytest.mark.parametrize(("profile", "compressor"), KINDS)
def test_large_arrays_come_back(profile: str, compressor: str | None) -> None:
    rng = np.random.default_rng(1)
    weights = (rng.standard_normal(300_001) * 0.05).astype("f4")
    model: Dict[str, Array] = {
        "weights": weights,
        "sparse": np.where(rng.random(300_001) < 0.05, weights, np.float32(0)),
        "noise": rng.integers(0, 2**64, 100_000, dtype="u8"),
        "labels": rng.integers(0, 10, 100_000),
        "mask": rng.random(100_000) < 0.5,
        "zeros": np.zeros((3000, 1000)),
        "complex": (rng.standard_normal(50_000) + 1j).astype("c8"),
    }
    data = codec.encode(model, profile, compressor)
    assert {name: bits(array) for name, array in codec.decode(data).items()} == {
        name: bits(array) for name, array in model.items()
    }


@pytest.mark.parametrize("compressor", codec.compressors())
def test_exact_shrinks_trained_weights_and_leaves_noise_alone(compressor: str) -> None:
    rng = np.random.default_rng(2)
    weights = (rng.standard_normal(1_000_000) * 0.05).astype("f4")
    assert len(codec.encode({"w": weights}, compressor=compressor)) < 0.84 * weights.nbytes
    zeros = np.zeros(1_000_000, "f4")
    assert len(codec.encode({"w": zeros}, compressor=compressor)) < 0.01 * zeros.nbytes
    noise = rng.integers(0, 2**32, 1_000_000, dtype="u4")
    assert len(codec.encode({"w": noise}, compressor=compressor)) < noise.nbytes + 500


def test_numpy_scalars_and_odd_bools_are_taken() -> None:
    back = codec.decode(
        codec.encode(
            {
                "scalar": np.float32(2.5),  # type: ignore[dict-item]
                "bools": np.array([0, 1, 2], np.uint8).view(bool),
            }
        )
    )
    assert back["scalar"].shape == ()
    assert back["scalar"] == 2.5
    assert back["bools"].view(np.uint8).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.array([None]), "dtype 'object'"),
        (np.array(["text"]), "dtype 'str"),
        (np.array([b"text"]), "dtype 'bytes"),
        (np.zeros(2, "V8"), "dtype 'void"),
        (np.zeros(2, [("a", "f4")]), "dtype 'void"),
        (np.zeros(2, "M8[s]"), "dtype 'datetime64"),
        (np.ma.masked_array([1.0], [True]), "MaskedArray"),
        ([1.0, 2.0], "is a list"),
    ],
)
def test_arrays_that_the_format_lacks_are_refused(array: Array, reason: str) -> None:
    with pytest.raises(PayloadError, match=f"array 'w'.*{reason}"):
        codec.encode({"w": array})


def test_names_are_bounded_unicode() -> None:
    for name in ("", "ключ/重み 🙂", "new\nline", "é" * 256):
        assert list(codec.decode(codec.encode({name: np.zeros(1)}))) == [name]
    for bad in ("é" * 257, "\ud800", "\ud83d\ude00"):
        with pytest.raises(PayloadError) as caught:
            codec.encode({bad: np.zeros(1)})
        str(caught.value).encode()
    with pytest.raises(PayloadError, match="name must be a string, not int"):
        codec.encode({3: np.zeros(1)})  # type: ignore[dict-item]


def test_more_arrays_than_the_format_holds_are_refused() -> None:
    zero = np.zeros((), "u1")
    assert len(codec.decode(codec.encode({str(i): zero for i in range(8192)}))) == 8192
    with pytest.raises(PayloadError, match="8193 arrays"):
        codec.encode({str(i): zero for i in range(8193)})


def test_wrong_arguments_say_what_is_allowed() -> None:
    with pytest.raises(UsageError, match="use one of raw, exact"):
        codec.encode({}, "lossy")
    with pytest.raises(UsageError, match=r"'lzma' here; use one of .*zlib"):
        codec.encode({}, compressor="lzma")


def test_without_zstandard_zlib_is_used_and_zstd_is_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = {"w": np.zeros(5000, "f4")}
    with_zstd = codec.encode(model)
    assert codec.compressors() == ["zstd", "zlib"]
    monkeypatch.setattr(compress, "_zstandard", None)
    assert codec.compressors() == ["zlib"]
    assert codec.decode(codec.encode(model))["w"].tolist() == model["w"].tolist()
    with pytest.raises(PayloadError, match="install zstandard"):
        codec.decode(with_zstd)


def test_old_or_missing_zstandard_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    zstandard = pytest.importorskip("zstandard")
    monkeypatch.setattr(zstandard, "__version__", "0.21.0")
    assert compress._load_zstandard() is None
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert compress._load_zstandard() is None


def test_a_file_is_read_array_by_array(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    model = {"a": rng.standard_normal((300, 500)).astype("f4"), "b": np.arange(3), "c": np.zeros(0)}
    data = codec.encode(model)
    path = tmp_path / "two"
    path.write_bytes(b"before" + data + b"after")
    with Payload.open(path, 6, len(data)) as payload:
        payload.verify()
        assert payload.profile == "exact"
        assert payload.specs == [
            ArraySpec("a", "float32", (300, 500)),
            ArraySpec("b", "int64", (3,)),
            ArraySpec("c", "float64", (0,)),
        ]
        assert payload.specs[0].nbytes == 600_000
        assert payload.read("b").tolist() == [0, 1, 2]
        assert {n: bits(a) for n, a in payload.arrays().items()} == {
            n: bits(a) for n, a in model.items()
        }
        with pytest.raises(PayloadError, match="no array 'd'"):
            payload.read("d")
    with pytest.raises(ValueError, match="closed"):
        payload.read("b")
    places: List[Tuple[int, int | None]] = [(0, None), (6, None), (6, len(data) - 1), (-1, 9)]
    for offset, length in [*places, (10**9, None), (6, 10**9), (6, -1)]:
        with pytest.raises(PayloadError):
            Payload.open(path, offset, length)


def test_memory_payload_is_closed_like_a_file() -> None:
    with Payload.from_bytes(codec.encode({"a": np.arange(3)})) as payload:
        kept = payload.read("a")
    assert kept.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="released"):
        payload.read("a")


def test_file_that_shrinks_while_read_is_a_payload_error(tmp_path: Path) -> None:
    path = tmp_path / "payload"
    data = codec.encode({"a": np.zeros(1_000_000, "u1")}, "raw")
    path.write_bytes(data)
    with Payload.open(path) as payload:
        path.write_bytes(data[:500_000])
        with pytest.raises(PayloadError, match="shorter"):
            payload.read("a")
        with pytest.raises(PayloadError, match="shorter"):
            payload.read_items("a", 400_000, np.empty(200_000, "u1"))


def test_plain_items_are_read_in_place(tmp_path: Path) -> None:
    model = {
        "a": np.random.default_rng(4).integers(0, 1 << 16, (20, 30), "u2"),
        "none": np.zeros((0, 4), "f4"),
        "flag": np.array([True, False]),
        "even": np.zeros(100_000, "i8"),
    }
    path = tmp_path / "payload"
    path.write_bytes(b"--" + codec.encode(model, "exact"))
    for payload in (Payload.open(path, 2), Payload.from_bytes(path.read_bytes()[2:])):
        with payload:
            assert [name for name in model if payload.is_plain(name)] == ["a", "none"]
            part = np.empty(7, "<u2")
            payload.read_items("a", 40, part)
            assert part.tolist() == model["a"].reshape(-1)[40:47].tolist()
            payload.read_items("none", 0, np.empty(0, "<f4"))
            for name, start, size in (
                ("a", 594, 7),
                ("a", -1, 7),
                ("flag", 0, 1),
                ("even", 0, 1),
                ("x", 0, 1),
            ):
                with pytest.raises(ValueError, match="plain items"):
                    payload.read_items(name, start, np.empty(size, "<u2"))


def test_a_file_is_open_only_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "payload"
    path.write_bytes(codec.encode({"a": np.arange(9.0), "b": np.zeros(100_000)}))

    def is_open() -> bool:
        return str(path) in (file.path for file in psutil.Process().open_files())

    payload = Payload.open(path)
    assert payload.read("b").size == 100_000
    assert not is_open()
    with payload.held():
        assert is_open()
        assert payload.read("a").tolist() == list(range(9))
        assert is_open()
    assert not is_open()
    payload.read("a")
    payload.close()
    with pytest.raises(ValueError, match="closed"):
        payload.read_items("a", 0, np.empty(1))


def test_a_file_that_is_replaced_is_a_payload_error(tmp_path: Path) -> None:
    path, other = tmp_path / "payload", tmp_path / "other"
    path.write_bytes(codec.encode({"a": np.arange(9)}))
    other.write_bytes(codec.encode({"a": np.ones(9)}))
    payload = Payload.open(path)
    other.replace(path)
    with pytest.raises(PayloadError, match="replaced"):
        payload.read("a")


def test_every_public_name_is_there() -> None:
    assert sorted(codec.__all__) == sorted(set(codec.__all__))
    for name in codec.__all__:
        assert getattr(codec, name) is not None
