"""The payload format, version 1: what the bytes of a model or an update look like.

    offset  size  content
    0       4     magic, b"FBP1"
    4       4     H, length of the header in bytes, unsigned, little-endian; at most 1 MiB
    8       H     header: canonical JSON (ASCII, keys sorted, no white space)
    8+H     B     body: the segments of all arrays in the header's order; then nothing

The header is an object:

    {"arrays": [{"dtype": "float32", "name": "fc.weight", "nbytes": 40960,
                 "segments": [["raw", 10240, 10240], ["raw", 10240, 10240],
                              ["raw", 10240, 10240], ["zstd", 10240, 3505]],
                 "shape": [10, 1024], "stages": ["planes"]}],
     "profile": "exact", "sha256": "<64 hex digits, of the body>", "version": 1}

- `dtype` is one of `ITEM_BYTES`; items are little-endian, in C order. `nbytes` is their raw size.
- `segments` are `[compressor, raw bytes, stored bytes]`. Compressors: `raw` (as it is, both sizes
  equal), `zlib` (RFC 1950) and `zstd` (RFC 8878, one frame with its content size); the latter two
  only where they make the segment smaller. Segments have no offsets, so they can't overlap.
- `stages` lists what was done to the items before compression, in order. Version 1 knows
  `[]` (one segment: the items) and `["planes"]` (one segment per byte of an item, lowest byte
  first). An array without items has no stages and no segments.
- A header that isn't byte for byte what `pack` writes for the same content is refused: that rules
  out double keys, odd numbers and two spellings of one payload.

A reader learns all sizes from the header, and checks their sum before it takes memory for any.
"""

from __future__ import annotations

import json
import re
import struct
import sys
from dataclasses import dataclass
from typing import Any, Dict, List, NamedTuple, Tuple

from fedbed.errors import PayloadError

MAGIC = b"FBP1"
VERSION = 1
PREFIX_BYTES = 8
# JSON of empty lists takes some 25 times its own size once parsed; this keeps that below 30 MB.
MAX_HEADER_BYTES = 1 << 20
MAX_ARRAYS = 8192
MAX_NAME_BYTES = 512
MAX_DIMS = 32  # numpy 1 on old nodes has no more
DEFAULT_MAX_BYTES = 1 << 30

RAW, ZLIB, ZSTD = "raw", "zlib", "zstd"
PLANES = "planes"

ITEM_BYTES: Dict[str, int] = {
    "bool": 1,
    "int8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "uint8": 1,
    "uint16": 2,
    "uint32": 4,
    "uint64": 8,
    "float16": 2,
    "float32": 4,
    "float64": 8,
    "complex64": 8,
    "complex128": 16,
}


def show(name: str) -> str:
    """Return `name` quoted, on one line and shortened, for use in a message."""
    text = repr(name)
    return text if len(text) <= 80 else text[:76] + "...'"


@dataclass(frozen=True)
class ArraySpec:
    """Name, dtype (a key of `ITEM_BYTES`) and shape of one array; PayloadError if impossible."""

    name: str
    dtype: str
    shape: Tuple[int, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise PayloadError(f"an array's name must be a string, not {type(self.name).__name__}")
        try:
            length = len(self.name.encode("utf-8"))
        except UnicodeEncodeError:
            raise PayloadError(f"array name {show(self.name)} has a lone surrogate") from None
        if length > MAX_NAME_BYTES:
            raise PayloadError(
                f"array name {show(self.name)} takes {length} bytes; {MAX_NAME_BYTES} are allowed"
            )
        if not isinstance(self.dtype, str) or self.dtype not in ITEM_BYTES:
            given = show(self.dtype) if isinstance(self.dtype, str) else "no string"
            raise PayloadError(
                f"array {show(self.name)}: dtype {given} can't be sent;"
                f" use one of {', '.join(ITEM_BYTES)}"
            )
        if not isinstance(self.shape, tuple) or len(self.shape) > MAX_DIMS:
            raise PayloadError(
                f"array {show(self.name)}: the shape must be a tuple of at most {MAX_DIMS}"
            )
        span = ITEM_BYTES[self.dtype]
        for dim in self.shape:
            if type(dim) is not int or not 0 <= dim <= sys.maxsize:
                raise PayloadError(f"array {show(self.name)}: impossible dimension in its shape")
            # numpy refuses (0, 2**62) although it has no items, so empty dimensions don't count.
            span *= max(dim, 1)
        if span > sys.maxsize:
            raise PayloadError(f"array {show(self.name)}: its shape overflows")

    @property
    def nbytes(self) -> int:
        """Raw size in bytes."""
        size = ITEM_BYTES[self.dtype]
        for dim in self.shape:
            size *= dim
        return size


class Segment(NamedTuple):
    """A stretch of the body: compressor, bytes before it, bytes in the body."""

    compressor: str
    raw: int
    stored: int


@dataclass(frozen=True)
class Entry:
    """One array in the header."""

    spec: ArraySpec
    stages: Tuple[str, ...]
    segments: Tuple[Segment, ...]

    @property
    def stored(self) -> int:
        """Bytes that the array takes in the body."""
        return sum(segment.stored for segment in self.segments)


@dataclass(frozen=True)
class Header:
    """All that a reader knows before it touches the body."""

    profile: str
    entries: Tuple[Entry, ...]
    sha256: str

    @property
    def body_bytes(self) -> int:
        """Length that the body must have."""
        return sum(entry.stored for entry in self.entries)


def pack(header: Header) -> bytes:
    """Return magic, length and header; PayloadError where a limit of the format is passed."""
    text = _canonical(header)
    if len(header.entries) > MAX_ARRAYS or len(text) > MAX_HEADER_BYTES:
        raise PayloadError(
            f"{len(header.entries)} arrays with a header of {len(text)} bytes don't fit a payload;"
            f" it holds {MAX_ARRAYS} arrays and {MAX_HEADER_BYTES} bytes of header"
        )
    return MAGIC + struct.pack("<I", len(text)) + text


def header_length(prefix: bytes) -> int:
    """Return the header's length from the first 8 bytes; PayloadError if it isn't ours."""
    if len(prefix) != PREFIX_BYTES or prefix[:4] != MAGIC:
        raise PayloadError("no fedbed payload: it doesn't begin with FBP1 and a header length")
    (length,) = struct.unpack("<I", prefix[4:])
    if length > MAX_HEADER_BYTES:
        raise PayloadError(
            f"payload header of {length} bytes; at most {MAX_HEADER_BYTES} are allowed"
        )
    return int(length)


def parse(text: bytes, max_bytes: int) -> Header:
    """Read a header that anyone may have written.

    Raises PayloadError unless it is valid and its arrays take at most `max_bytes` in all.
    """
    try:
        tree = json.loads(text.decode("ascii"), parse_int=_integer)
    except (ValueError, RecursionError, MemoryError) as error:
        raise PayloadError(f"payload header is no JSON ({type(error).__name__})") from error
    version = tree.get("version") if type(tree) is dict else None
    if type(version) is not int or version != VERSION:
        given = version if type(version) is int else "missing"
        raise PayloadError(f"payload version is {given}; this fedbed reads {VERSION}")
    arrays, profile, sha256, _ = _fields(tree, "arrays", "profile", "sha256", "version")
    if type(profile) is not str or not re.fullmatch("[a-z0-9][a-z0-9_+.-]{0,63}", profile):
        raise PayloadError("payload header: the profile is no short lower-case name")
    if type(sha256) is not str or not re.fullmatch("[0-9a-f]{64}", sha256):
        raise PayloadError("payload header: sha256 must be 64 hexadecimal digits")
    if type(arrays) is not list or len(arrays) > MAX_ARRAYS:
        raise PayloadError(f"payload header: arrays must be a list of at most {MAX_ARRAYS}")
    entries: Dict[str, Entry] = {}
    total = 0
    for item in arrays:
        entry = _entry(item)
        if entry.spec.name in entries:
            raise PayloadError(f"array {show(entry.spec.name)} comes twice")
        total += entry.spec.nbytes
        if total > max_bytes:
            raise PayloadError(f"payload holds more than the {max_bytes} bytes permitted here")
        entries[entry.spec.name] = entry
    header = Header(profile, tuple(entries.values()), sha256)
    if _canonical(header) != text:
        raise PayloadError("payload header isn't in canonical form")
    return header


def _canonical(header: Header) -> bytes:
    arrays = [
        {
            "dtype": entry.spec.dtype,
            "name": entry.spec.name,
            "nbytes": entry.spec.nbytes,
            "segments": entry.segments,
            "shape": entry.spec.shape,
            "stages": entry.stages,
        }
        for entry in header.entries
    ]
    tree = {
        "arrays": arrays,
        "profile": header.profile,
        "sha256": header.sha256,
        "version": VERSION,
    }
    return json.dumps(tree, sort_keys=True, separators=(",", ":")).encode("ascii")


def _integer(digits: str) -> int:
    # int() of a million digits takes seconds on the interpreters that don't limit it themselves.
    if len(digits) > 20:
        raise PayloadError("payload header: a number is too large")
    return int(digits)


def _fields(value: object, *names: str) -> List[Any]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise PayloadError(f"payload header: an object must have exactly {', '.join(names)}")
    return [value[name] for name in names]


def _entry(value: object) -> Entry:
    dtype, name, nbytes, segments, shape, stages = _fields(
        value, "dtype", "name", "nbytes", "segments", "shape", "stages"
    )
    spec = ArraySpec(name, dtype, tuple(shape) if type(shape) is list else shape)
    if type(nbytes) is not int or nbytes != spec.nbytes:
        raise PayloadError(f"array {show(spec.name)}: nbytes doesn't follow from dtype and shape")
    item = ITEM_BYTES[spec.dtype]
    if stages == []:
        sizes = [nbytes] if nbytes else []
    elif stages == [PLANES] and item > 1 and nbytes:
        sizes = [nbytes // item] * item
    else:
        raise PayloadError(f"array {show(spec.name)}: stages that this fedbed doesn't know")
    if type(segments) is not list or len(segments) != len(sizes):
        raise PayloadError(f"array {show(spec.name)}: it must have {len(sizes)} segments")
    return Entry(spec, tuple(stages), tuple(_segment(spec, *pair) for pair in zip(segments, sizes)))


def _segment(spec: ArraySpec, value: object, size: int) -> Segment:
    if isinstance(value, list) and len(value) == 3:
        compressor, raw, stored = value
        sizes_fit = type(raw) is int and raw == size and type(stored) is int
        if sizes_fit and compressor == RAW and stored == size:
            return Segment(RAW, size, stored)
        if sizes_fit and compressor in (ZLIB, ZSTD) and 0 < stored < size:
            return Segment(compressor, size, stored)
    raise PayloadError(f"array {show(spec.name)}: a segment's compressor or sizes are wrong")
