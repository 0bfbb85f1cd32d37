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
- `stages` lists what was done to the items before compression, in order. An array without items
  has no stages and no segments. Version 1 knows, for n items,
  `[]`: one segment, the items;
  `["planes"]`: one segment per byte of an item, lowest byte first; and for float32 alone
  `["bf16"]`: the lower and the upper bytes of the items in bfloat16, n each;
  `["int8"]`: scales (float32, one per channel, see `fedbed.codec.int8`), n signed bytes;
  `["sparse", "int8"]`: one scale (float32), gaps and k signed bytes (see `fedbed.codec.sparse`).
  `"delta"` before one of the last three: the difference to the array of that name in the
  reference, whose fingerprint (see `fedbed.codec.fingerprint`) then is the header's `reference`,
  a key that other payloads lack.
- A header that isn't byte for byte what `pack` writes for the same content is refused: that rules
  out double keys, odd numbers and two spellings of one payload.

A reader learns all sizes from the header, and checks their sum before it takes memory for any.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from fedbed.codec.int8 import channels
from fedbed.codec.sparse import gap_bytes_fit
from fedbed.codec.spec import ITEM_BYTES, ArraySpec, show
from fedbed.errors import PayloadError

MAGIC = b"FBP1"
VERSION = 1
PREFIX_BYTES = 8
# JSON of empty lists takes some 25 times its own size once parsed; this keeps that below 30 MB.
MAX_HEADER_BYTES = 1 << 20
MAX_ARRAYS = 8192
DEFAULT_MAX_BYTES = 1 << 30

RAW, ZLIB, ZSTD = "raw", "zlib", "zstd"
PLANES, DELTA, BF16, INT8, SPARSE = "planes", "delta", "bf16", "int8", "sparse"


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
    reference: Optional[str] = None

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
    reference = tree.pop("reference", None)
    arrays, profile, sha256, _ = _fields(tree, "arrays", "profile", "sha256", "version")
    if type(profile) is not str or not re.fullmatch("[a-z0-9][a-z0-9_+.-]{0,63}", profile):
        raise PayloadError("payload header: the profile is no short lower-case name")
    if not _is_sha256(sha256):
        raise PayloadError("payload header: sha256 must be 64 hexadecimal digits")
    if reference is not None and not _is_sha256(reference):
        raise PayloadError("payload header: reference must be 64 hexadecimal digits")
    if type(arrays) is not list or len(arrays) > MAX_ARRAYS:
        raise PayloadError(f"payload header: arrays must be a list of at most {MAX_ARRAYS}")
    entries: Dict[str, Entry] = {}
    total = 0
    for item in arrays:
        entry = _entry(item)
        if DELTA in entry.stages and reference is None:
            raise PayloadError(f"array {show(entry.spec.name)}: a delta without its reference")
        if entry.spec.name in entries:
            raise PayloadError(f"array {show(entry.spec.name)} comes twice")
        total += entry.spec.nbytes
        if total > max_bytes:
            raise PayloadError(
                f"payload holds more than the {max_bytes} bytes permitted here", "too-large"
            )
        entries[entry.spec.name] = entry
    header = Header(profile, tuple(entries.values()), sha256, reference)
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
    tree: Dict[str, Any] = {
        "arrays": arrays,
        "profile": header.profile,
        "sha256": header.sha256,
        "version": VERSION,
    }
    if header.reference is not None:
        tree["reference"] = header.reference
    return json.dumps(tree, sort_keys=True, separators=(",", ":")).encode("ascii")


def _integer(digits: str) -> int:
    # int() of a million digits takes seconds on the interpreters that don't limit it themselves.
    if len(digits) > 20:
        raise PayloadError("payload header: a number is too large")
    return int(digits)


def _is_sha256(value: object) -> bool:
    return type(value) is str and re.fullmatch("[0-9a-f]{64}", value) is not None


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
    if type(segments) is not list:
        raise PayloadError(f"array {show(spec.name)}: its segments must be a list")
    sizes = _sizes(spec, stages, segments)
    if len(segments) != len(sizes):
        raise PayloadError(f"array {show(spec.name)}: it must have {len(sizes)} segments")
    return Entry(spec, tuple(stages), tuple(_segment(spec, *pair) for pair in zip(segments, sizes)))


def _sizes(spec: ArraySpec, stages: object, segments: List[Any]) -> List[int]:
    """Return the raw bytes of each segment that an array of such stages must have."""
    item = ITEM_BYTES[spec.dtype]
    count = spec.nbytes // item
    if stages == []:
        return [spec.nbytes] if count else []
    if stages == [PLANES] and item > 1 and count:
        return [count] * item
    if isinstance(stages, list) and spec.dtype == "float32" and count:
        lossy = stages[1:] if stages[0] == DELTA else stages
        if lossy == [BF16]:
            return [count] * 2
        if lossy == [INT8]:
            return [4 * channels(spec), count]
        if lossy == [SPARSE, INT8]:
            return [4, *_sparse_sizes(spec, segments)]
    raise PayloadError(f"array {show(spec.name)}: stages that this fedbed doesn't know")


def _sparse_sizes(spec: ArraySpec, segments: List[Any]) -> List[int]:
    """Return the declared raw bytes of gaps and levels, which follow from no shape."""
    declared = [part[1] if isinstance(part, list) and len(part) == 3 else -1 for part in segments]
    if len(declared) != 3 or any(type(size) is not int for size in declared):
        raise PayloadError(f"array {show(spec.name)}: it must have 3 segments with sizes")
    _, gaps, levels = declared
    if not gap_bytes_fit(spec.nbytes // 4, levels, gaps):
        raise PayloadError(f"array {show(spec.name)}: impossible number of positions")
    return [gaps, levels]


def _segment(spec: ArraySpec, value: object, size: int) -> Segment:
    if isinstance(value, list) and len(value) == 3:
        compressor, raw, stored = value
        sizes_fit = type(raw) is int and raw == size and type(stored) is int
        if sizes_fit and compressor == RAW and stored == size:
            return Segment(RAW, size, stored)
        if sizes_fit and compressor in (ZLIB, ZSTD) and 0 < stored < size:
            return Segment(compressor, size, stored)
    raise PayloadError(f"array {show(spec.name)}: a segment's compressor or sizes are wrong")
