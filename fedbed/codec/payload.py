"""Payload bytes to arrays, one at a time, from memory or from a file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Type, Union

import numpy as np
import numpy.typing as npt

from fedbed.codec import lossy
from fedbed.codec.compress import expand
from fedbed.codec.difference import Arrays, Reference, add
from fedbed.codec.format import (
    DEFAULT_MAX_BYTES,
    DELTA,
    PLANES,
    PREFIX_BYTES,
    Entry,
    header_length,
    parse,
)
from fedbed.codec.planes import fill
from fedbed.codec.source import BytesSource, FileSource
from fedbed.codec.spec import ArraySpec, show
from fedbed.errors import PayloadError

Array = npt.NDArray[Any]


class Payload:
    """A payload whose header is read and checked, and whose arrays are decoded when asked for.

    Make one with `from_bytes` or `open`. `verify` before trusting bytes from elsewhere: `read`
    alone notices what doesn't decode, not what decodes to another value.
    """

    def __init__(
        self, source: Union[BytesSource, FileSource], max_bytes: int, reference: Optional[Arrays]
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
        self._reference = None if reference is None else Reference(reference)
        self._body = body
        self._places: Dict[str, Tuple[Entry, int]] = {}
        offset = body
        for entry in self._header.entries:
            self._places[entry.spec.name] = (entry, offset)
            offset += entry.stored

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        max_bytes: int = DEFAULT_MAX_BYTES,
        reference: Optional[Arrays] = None,
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
        reference: Optional[Arrays] = None,
    ) -> Payload:
        """Read the header of the payload at `offset` of a file; use it in a `with` statement.

        It takes `length` bytes, to the file's end unless given; the rest is as for `from_bytes`.
        PayloadError if they are no payload, OSError if the file can't be read.
        """
        file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - it lives as long as the payload
        try:
            return cls(FileSource(file, offset, length), max_bytes, reference)
        except BaseException:
            file.close()
            raise

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
        """Close the file, if there is one; arrays that were read stay valid."""
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
        if name not in self._places:
            raise PayloadError(f"payload has no array {show(name)}")
        entry, offset = self._places[name]
        spec = entry.spec
        pieces = []
        for segment in entry.segments:
            stored = self._source.chunks(offset, segment.stored)
            pieces.append(expand(segment.compressor, stored, segment.raw))
            offset += segment.stored
        try:
            if entry.stages in ((), (PLANES,)):
                return _exact(spec, pieces)
            base = self._base(spec) if DELTA in entry.stages else None
            values = lossy.decode(spec, entry.stages, entry.segments, pieces)
            if base is not None:
                add(values, base)
        except MemoryError as error:
            raise PayloadError(f"array {show(name)}: no memory for {spec.nbytes} bytes") from error
        return values.reshape(spec.shape)

    def arrays(self) -> Dict[str, Array]:
        """Decode all arrays, in their order; errors as of `read`."""
        return {name: self.read(name) for name in self._places}

    def verify(self, expect: Optional[Sequence[ArraySpec]] = None, finite: bool = True) -> None:
        """Check everything about the payload, holding one array at a time.

        The arrays are those of `expect` (any, unless given) in the same order, the body has the
        declared hash, each array decodes, and with `finite` no float or complex is NaN or
        infinite. Raises PayloadError for the first thing that is wrong.
        """
        if expect is not None:
            _compare(expect, self.specs)
        self.check_hash()
        for spec in self.specs:
            array = self.read(spec.name)
            if finite and array.dtype.kind in "fc":
                wrong = array.size - int(np.count_nonzero(np.isfinite(array)))
                if wrong:
                    raise PayloadError(
                        f"array {show(spec.name)}: {wrong} of {array.size} values are NaN or"
                        " infinite"
                    )

    def check_hash(self) -> None:
        """Raise PayloadError unless the body has the hash that the header declares."""
        digest = hashlib.sha256()
        for chunk in self._source.chunks(self._body, self._header.body_bytes):
            digest.update(chunk)
        if digest.hexdigest() != self._header.sha256:
            raise PayloadError("payload body is damaged: its sha256 isn't the declared one")

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
    data: bytes, max_bytes: int = DEFAULT_MAX_BYTES, reference: Optional[Arrays] = None
) -> Dict[str, Array]:
    """Return all arrays of a payload, its body's hash checked; PayloadError for anything else."""
    with Payload.from_bytes(data, max_bytes, reference) as payload:
        payload.check_hash()
        return payload.arrays()


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


def _compare(expect: Sequence[ArraySpec], came: Sequence[ArraySpec]) -> None:
    wanted = {spec.name: spec for spec in expect}
    given = {spec.name: spec for spec in came}
    for name in wanted:
        if name not in given:
            raise PayloadError(f"array {show(name)} is missing; {_these(came)} came")
    for name in given:
        if name not in wanted:
            raise PayloadError(f"array {show(name)} came and isn't expected; {_these(expect)} are")
    for name, spec in wanted.items():
        if spec != given[name]:
            raise PayloadError(
                f"array {show(name)}: expected {_kind(spec)}, came {_kind(given[name])}"
            )
    for want, have in zip(expect, came):
        if want.name != have.name:
            raise PayloadError(
                f"arrays in another order: expected {show(want.name)}, came {show(have.name)}"
            )


def _kind(spec: ArraySpec) -> str:
    return f"{spec.dtype}{list(spec.shape)}"


def _these(specs: Sequence[ArraySpec]) -> str:
    names = ", ".join(show(spec.name) for spec in specs[:4])
    return f"{len(specs)} arrays ({names}{', ...' if len(specs) > 4 else ''})"
