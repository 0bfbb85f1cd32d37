"""Payload bytes to arrays, one at a time, from memory or from a file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType
from typing import Any, ContextManager, Dict, Iterable, List, Optional, Sequence, Tuple, Type, Union

import numpy as np
import numpy.typing as npt

from fedbed.codec import lossy
from fedbed.codec.compress import expand
from fedbed.codec.difference import Arrays, Reference, add
from fedbed.codec.finite import check_finite, has_top_plane, surely_finite
from fedbed.codec.format import (
    BF16,
    DEFAULT_MAX_BYTES,
    DELTA,
    PLANES,
    PREFIX_BYTES,
    RAW,
    Entry,
    header_length,
    parse,
)
from fedbed.codec.planes import fill
from fedbed.codec.source import BytesSource, FileSource
from fedbed.codec.spec import ArraySpec, compare, show
from fedbed.errors import PayloadError

Array = npt.NDArray[Any]
Known = Union[Arrays, Reference]


class Payload:
    """A payload whose header is read and checked, and whose arrays are decoded when asked for.

    Make one with `from_bytes` or `open`. `verify` before trusting bytes from elsewhere: `read`
    alone notices what doesn't decode, not what decodes to another value.
    """

    def __init__(
        self, source: Union[BytesSource, FileSource], max_bytes: int, reference: Optional[Known]
    ) -> None:
        if source.size < PREFIX_BYTES:
            raise PayloadError(f"no fedbed payload: it has only {source.size} bytes")
        length = header_length(_whole(source, 0, PREFIX_BYTES))
        body = PREFIX_BYTES + length
        if body > source.size:
            raise PayloadError("payload is cut off within its header")
        self._header = parse(_whole(source, PREFIX_BYTES, length), max_bytes)
        if source.size - body != self._header.body_bytes:
            raise PayloadError(
                f"payload body has {source.size - body} bytes; its header declares"
                f" {self._header.body_bytes}"
            )
        self._source = source
        self._reference = None if reference is None else Reference.of(reference)
        self._body = body
        self._places: Dict[str, Tuple[Entry, int]] = {}
        self._plain: Dict[str, Tuple[int, int]] = {}
        offset = body
        for entry in self._header.entries:
            self._places[entry.spec.name] = (entry, offset)
            if _is_plain(entry):
                self._plain[entry.spec.name] = (offset, entry.stored)
            offset += entry.stored

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        max_bytes: int = DEFAULT_MAX_BYTES,
        reference: Optional[Known] = None,
    ) -> Payload:
        """Read the header of a payload in memory; PayloadError if it is none.

        `max_bytes` bounds the raw size of all its arrays together. `reference` is what the
        sender took differences to (see `needs_reference`), and is looked at when one is read.
        """
        return cls(BytesSource(data), max_bytes, reference)

    @classmethod
    def open(
        cls,
        path: Union[str, Path],
        offset: int = 0,
        length: Optional[int] = None,
        max_bytes: int = DEFAULT_MAX_BYTES,
        reference: Optional[Known] = None,
    ) -> Payload:
        """Read the header of the payload at `offset` of a file; use it in a `with` statement.

        It takes `length` bytes, to the file's end unless given; the rest is as for `from_bytes`.
        The file must stay where it is, and is open only while it is read from. PayloadError if
        they are no payload, OSError if the file can't be read, then or later.
        """
        return cls(FileSource(path, offset, length), max_bytes, reference)

    def __enter__(self) -> Payload:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def close(self) -> None:
        """Read no more from memory or file; arrays that were read stay valid."""
        self._source.close()

    @property
    def profile(self) -> str:
        """Name of the profile that the sender used."""
        return self._header.profile

    @property
    def needs_reference(self) -> Optional[str]:
        """Fingerprint of the reference without which arrays can't be read; None if all can be."""
        return self._header.reference

    @property
    def specs(self) -> List[ArraySpec]:
        """What the payload holds, in its order."""
        return [entry.spec for entry in self._header.entries]

    def read(self, name: str) -> Array:
        """Decode one array: writable, in C order, of the machine's byte order.

        Raises PayloadError if there is none of that name, its bytes are damaged, or it is a
        difference to another reference than the one at hand.
        """
        entry, offset = self._place(name)
        base = self._base(entry.spec) if DELTA in entry.stages else None
        values = self._stored(entry, offset)
        if base is not None:
            add(values, base)
        return values

    def is_plain(self, name: str) -> bool:
        """Whether the items of an array lie in the payload as they are, for `read_items`."""
        return name in self._plain

    def read_items(self, name: str, start: int, out: Array) -> None:
        """Copy items of a plain array, from index `start` in C order, into `out` until it is full.

        `out` is contiguous and of the array's dtype, in little-endian byte order. ValueError for
        items that aren't there, or if the array isn't plain: others are only decoded whole.
        """
        offset, size = self._plain.get(name, (0, -1))
        begin = start * out.itemsize
        if begin < 0 or begin + out.nbytes > size:
            raise ValueError(f"array {show(name)} has no {out.size} plain items from {start}")
        self._source.read_into(offset + begin, out.view(np.uint8).data)

    def held(self) -> ContextManager[None]:
        """Keep the file open within a `with` statement, which makes reading many arrays cheaper."""
        return self._source.held()

    def arrays(self) -> Dict[str, Array]:
        """Decode all arrays, in their order; errors as of `read`."""
        return {name: self.read(name) for name in self._places}

    def verify(
        self,
        expect: Optional[Sequence[ArraySpec]] = None,
        finite: bool = True,
        hashed: bool = False,
    ) -> None:
        """Check everything about the payload, holding one array at a time.

        The arrays are those of `expect` (any, unless given) in the same order, the body has the
        declared hash (unless `hashed`: the caller has hashed the bytes), each array decodes, and
        with `finite` no float or complex is NaN or infinite. A difference is looked at by itself
        where its reference isn't at hand; with `finite` it must be too small to make a sum
        infinite. Raises PayloadError for the first thing that is wrong.
        """
        if expect is not None:
            compare(expect, self.specs)
        if not hashed:
            self.check_hash()
        for entry, offset in self._places.values():
            is_difference = DELTA in entry.stages
            alone = is_difference and self._reference is None
            if (alone or not is_difference) and self._glance(entry, offset, finite):
                continue
            array = self._stored(entry, offset) if alone else self.read(entry.spec.name)
            if finite and array.dtype.kind in "fc":
                check_finite(entry.spec, array, alone)

    def check_reference(self) -> None:
        """Raise PayloadError if an array is a difference to what isn't at hand."""
        for entry, _ in self._places.values():
            if DELTA in entry.stages:
                self._base(entry.spec)

    def check_hash(self) -> None:
        """Raise PayloadError unless the body has the hash that the header declares."""
        digest = hashlib.sha256()
        for chunk in self._source.chunks(self._body, self._header.body_bytes):
            digest.update(chunk)
        if digest.hexdigest() != self._header.sha256:
            raise PayloadError(
                "payload body is damaged: its sha256 isn't the declared one", "damaged"
            )

    def _glance(self, entry: Entry, offset: int, finite: bool) -> bool:
        """Decompress byte planes; whether that shows all that `verify` wants to know.

        Any bytes of the right length are items; what they say of `finite`, the top ones tell.
        PayloadError if a plane doesn't decompress.
        """
        last = len(entry.segments) - 1
        if entry.stages[-1:] not in ((PLANES,), (BF16,)) or not has_top_plane(entry.spec.dtype):
            return False
        fine = True
        for number, segment in enumerate(entry.segments):
            stored = self._source.chunks(offset, segment.stored)
            offset += segment.stored
            if number == last and finite:
                pieces = expand(segment.compressor, stored, segment.raw)
                fine = surely_finite(entry.spec.dtype, pieces)
            elif segment.compressor != RAW:
                for _ in expand(segment.compressor, stored, segment.raw):
                    pass
        return fine

    def _place(self, name: str) -> Tuple[Entry, int]:
        if name not in self._places:
            raise PayloadError(f"payload has no array {show(name)}")
        return self._places[name]

    def _stored(self, entry: Entry, offset: int) -> Array:
        """Decode what lies at `offset`: the array, or its difference to the reference."""
        spec = entry.spec
        pieces = []
        for segment in entry.segments:
            stored = self._source.chunks(offset, segment.stored)
            pieces.append(expand(segment.compressor, stored, segment.raw))
            offset += segment.stored
        try:
            if entry.stages in ((), (PLANES,)):
                return _exact(spec, pieces)
            values = lossy.decode(spec, entry.stages, entry.segments, pieces)
        except MemoryError as error:
            name = show(spec.name)
            raise PayloadError(
                f"array {name}: no memory for {spec.nbytes} bytes", "memory"
            ) from error
        return values.reshape(spec.shape)

    def _base(self, spec: ArraySpec) -> npt.NDArray[np.float32]:
        needed = self._header.reference
        if self._reference is None:
            raise PayloadError(f"payload is a difference to model {needed}: give that reference")
        if self._reference.fingerprint != needed:
            raise PayloadError(
                f"payload is a difference to model {needed},"
                f" not to {self._reference.fingerprint}, the reference given"
            )
        return self._reference.base(spec)


def decode(
    data: bytes, max_bytes: int = DEFAULT_MAX_BYTES, reference: Optional[Known] = None
) -> Dict[str, Array]:
    """Return all arrays of a payload, its body's hash checked; PayloadError for anything else."""
    with Payload.from_bytes(data, max_bytes, reference) as payload:
        payload.check_hash()
        return payload.arrays()


def _is_plain(entry: Entry) -> bool:
    # Bytes of a bool are looked at when it is decoded.
    whole = all(segment.compressor == RAW for segment in entry.segments)
    return whole and not entry.stages and entry.spec.dtype != "bool"


def _exact(spec: ArraySpec, pieces: Sequence[Iterable[memoryview]]) -> Array:
    """Return an array whose items are stored whole (one of `pieces`) or one plane per byte."""
    flat = np.empty(spec.nbytes, np.uint8)
    planes = flat.reshape(-1, max(len(pieces), 1))
    for column, plane in enumerate(pieces):
        fill(planes[:, column], plane)
    if spec.dtype == "bool" and flat.size and flat.max() > 1:
        raise PayloadError(f"array {show(spec.name)}: a bool that is neither 0 nor 1")
    dtype = np.dtype(spec.dtype)
    array = flat.view(dtype.newbyteorder("<")).reshape(spec.shape)
    return array.astype(dtype, copy=False)


def _whole(source: Union[BytesSource, FileSource], offset: int, length: int) -> bytes:
    return b"".join(source.chunks(offset, length))
