"""A result as one file: what a node has to say about a work item, and its payloads.

    offset  size  content
    0       4     magic, b"FBR1"
    4       4     M, length of the meta in bytes, unsigned, little-endian; at most 1 MiB
    8       M     meta: a JSON object in UTF-8 (RFC 8259: no NaN); `meta["payloads"]` is a list of
                  {"name": str, "bytes": int}
    8+M           the payloads (`fedbed.codec`), back to back in that order; then nothing

The same bytes lie in the node's spool, cross the network and lie in the coordinator's spool. The
node's daemon reads and writes them without numpy: only `Envelope.payload` imports the codec.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, NoReturn, Optional, Sequence, Tuple, Union

from fedbed.disk import sync_folder
from fedbed.errors import PayloadError

if TYPE_CHECKING:
    from fedbed.codec import Payload, Reference

MAGIC = b"FBR1"
PREFIX_BYTES = 8
MAX_META_BYTES = 1 << 20
MAX_PAYLOADS = 64
MAX_NAME_BYTES = 128
MAX_DEPTH = 32
DEFAULT_MAX_BYTES = 1 << 30

_Slots = Dict[str, Tuple[int, int]]


def write(
    path: Union[str, Path],
    meta: Dict[str, Any],
    payloads: Sequence[Tuple[str, bytes]],
    synced: bool = True,
) -> Tuple[int, str]:
    """Write an envelope that is either whole or not there, even if the power fails.

    The latter holds once it is `synced`: here, or by `sync` later. `payloads` are (name, bytes);
    `meta["payloads"]` is written from them, whatever it was. Returns the file's size in bytes and
    its sha256 in hexadecimal. Raises PayloadError for a meta that JSON can't hold or that passes a
    limit, OSError if the file can't be written.
    """
    path = Path(path)
    listed = [{"name": name, "bytes": len(data)} for name, data in payloads]
    try:
        text = json.dumps({**meta, "payloads": listed}, allow_nan=False, ensure_ascii=False)
        head = text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise PayloadError(f"the meta of a result is no JSON: {error}") from error
    _check_length(len(head))
    _slots(_parse(head), PREFIX_BYTES + len(head))
    parts = [MAGIC, struct.pack("<I", len(head)), head, *(data for _, data in payloads)]
    digest = hashlib.sha256()
    size = 0
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            for part in parts:
                file.write(part)
                digest.update(part)
                size += len(part)
            file.flush()
            if synced:
                os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
    if synced:
        sync_folder(path.parent)
    return size, digest.hexdigest()


def sync(path: Union[str, Path]) -> None:
    """Make an envelope outlive a power cut; nothing happens if it is gone by now.

    Raises OSError if the disk fails.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    except FileNotFoundError:
        return
    sync_folder(path.parent)


def read_meta(path: Union[str, Path]) -> Dict[str, Any]:
    """Return the meta of an envelope whose length is right; the payloads are not looked at.

    Raises PayloadError if the file is no whole envelope, OSError if it can't be read.
    """
    meta, _ = _read_head(Path(path))
    return meta


class Envelope:
    """An envelope on disk; payloads are read when asked for. Make one with `open`."""

    def __init__(self, path: Path, meta: Dict[str, Any], slots: _Slots, max_bytes: int) -> None:
        self.meta = meta
        self._path = path
        self._slots = slots
        self._max_bytes = max_bytes

    @classmethod
    def open(cls, path: Union[str, Path], max_bytes: int = DEFAULT_MAX_BYTES) -> Envelope:
        """Read the meta and check the file's length against it; no file stays open.

        `max_bytes` bounds the file, and the raw size of each payload's arrays. Raises PayloadError
        if the file is no such envelope, OSError if it can't be read.
        """
        path = Path(path)
        size = path.stat().st_size
        if size > max_bytes:
            raise PayloadError(
                f"result of {size} bytes; at most {max_bytes} are permitted here", "too-large"
            )
        meta, slots = _read_head(path)
        return cls(path, meta, slots, max_bytes)

    @property
    def names(self) -> List[str]:
        """Names of the payloads, in their order."""
        return list(self._slots)

    def payload(self, name: str, reference: Optional[Reference] = None) -> Payload:
        """Open one payload; use it in a `with` statement. PayloadError if it is none.

        `reference` is what the node took differences to, if it did.
        """
        if name not in self._slots:
            raise PayloadError(f"result has no payload {name!r}; it has {self.names}")
        from fedbed.codec import Payload

        offset, length = self._slots[name]
        return Payload.open(self._path, offset, length, self._max_bytes, reference)


def _read_head(path: Path) -> Tuple[Dict[str, Any], _Slots]:
    with path.open("rb") as file:
        length = _meta_length(file.read(PREFIX_BYTES))
        head = file.read(length)
        size = os.fstat(file.fileno()).st_size
    if len(head) != length:
        raise PayloadError("result is cut off within its meta")
    meta = _parse(head)
    start = PREFIX_BYTES + length
    slots = _slots(meta, start)
    declared = sum(count for _, count in slots.values())
    if size - start != declared:
        raise PayloadError(f"result carries {size - start} bytes; its meta declares {declared}")
    return meta, slots


def _meta_length(prefix: bytes) -> int:
    if len(prefix) != PREFIX_BYTES or prefix[:4] != MAGIC:
        raise PayloadError("no fedbed result: it doesn't begin with FBR1 and a length")
    (length,) = struct.unpack("<I", prefix[4:])
    _check_length(length)
    return int(length)


def _check_length(length: int) -> None:
    if length > MAX_META_BYTES:
        raise PayloadError(f"meta of {length} bytes; at most {MAX_META_BYTES} are allowed")


def _parse(head: bytes) -> Dict[str, Any]:
    """Read a meta that anyone may have written, and that other code may then rely on."""
    try:
        meta = json.loads(
            head.decode("utf-8"),
            parse_int=_integer,
            parse_constant=_no_constant,
            object_pairs_hook=_once,
        )
    except (ValueError, RecursionError, MemoryError) as error:
        raise PayloadError(f"meta of a result is no JSON ({type(error).__name__})") from error
    if not isinstance(meta, dict):
        raise PayloadError("meta of a result must be a JSON object")
    _check_depth(meta)
    try:
        # JSON can spell lone surrogates, on which whoever stores or prints them would fail. It can
        # spell 1e999 too, which Python reads as infinity.
        json.dumps(meta, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except ValueError as error:
        raise PayloadError(f"meta of a result can't be kept: {error}") from error
    return meta


def _integer(digits: str) -> int:
    # int() of a million digits takes seconds on the interpreters that don't limit it themselves.
    if len(digits) > 20:
        raise PayloadError("meta of a result: a number is too large")
    return int(digits)


def _no_constant(name: str) -> NoReturn:
    raise PayloadError(f"meta of a result: {name} is no JSON; write null")


def _once(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise PayloadError("meta of a result: a key comes twice")
    return value


def _check_depth(meta: Dict[str, Any]) -> None:
    level: List[Any] = [meta]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for value in level
            for child in (value.values() if isinstance(value, dict) else value)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise PayloadError(f"meta of a result is nested deeper than {MAX_DEPTH}")


def _slots(meta: Dict[str, Any], start: int) -> _Slots:
    """Return name to (offset, length) of the payloads that a meta declares."""
    listed = meta.get("payloads")
    if not isinstance(listed, list) or len(listed) > MAX_PAYLOADS:
        raise PayloadError(f"meta of a result: payloads must be a list of at most {MAX_PAYLOADS}")
    slots: _Slots = {}
    for item in listed:
        if not isinstance(item, dict) or set(item) != {"name", "bytes"}:
            raise PayloadError("meta of a result: a payload must have exactly name and bytes")
        name, count = item["name"], item["bytes"]
        if not isinstance(name, str) or not 0 < len(name.encode("utf-8")) <= MAX_NAME_BYTES:
            raise PayloadError(
                f"meta of a result: a payload's name must have 1 to {MAX_NAME_BYTES} bytes"
            )
        if type(count) is not int or count < 0:
            raise PayloadError(f"meta of a result: payload {name!r} has an impossible length")
        if name in slots:
            raise PayloadError(f"meta of a result: payload {name!r} comes twice")
        slots[name] = (start, count)
        start += count
    return slots
