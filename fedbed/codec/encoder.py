"""Arrays to payload bytes."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Mapping, MutableMapping, Optional, Tuple, Union

import numpy as np
import numpy.typing as npt

from fedbed.codec import planes
from fedbed.codec.compress import compressor as open_compressor
from fedbed.codec.compress import compressors
from fedbed.codec.difference import Reference
from fedbed.codec.format import PLANES, RAW, Entry, Header, Segment, pack
from fedbed.codec.items import describe, to_items
from fedbed.codec.lossy import Coder
from fedbed.codec.profiles import PROFILES, loses
from fedbed.errors import UsageError

# Below this the header's words about planes outweigh what they save.
_SMALL_BYTES = 1024

# Below this the thread costs more than it saves.
_LARGE_BYTES = 1 << 22

_Parts = List[Tuple[bool, memoryview]]


def encode(
    arrays: Mapping[str, npt.NDArray[Any]],
    profile: str = "exact",
    compressor: Optional[str] = None,
    reference: Optional[Union[Mapping[str, npt.NDArray[Any]], Reference]] = None,
    residual: Optional[MutableMapping[str, npt.NDArray[np.float32]]] = None,
    seed: int = 0,
) -> bytes:
    """Return the payload (see `fedbed.codec.format`) that holds `arrays`, in the mapping's order.

    Args:
        arrays: name to array of any shape, memory order and byte order; dtypes are bool, integers,
            float16/32/64 and complex64/128.
        profile: one of `PROFILES`. A lossy one touches float32 arrays of 4096 items and more;
            all others keep every bit.
        compressor: one of `compressors()`; the first of them unless given.
        reference: arrays that the reader holds too. Lossy profiles then store differences to
            them, and the payload is read with the same reference only; others ignore it.
        residual: for profile `small`, name to float32 array of what earlier encodings lost: it is
            added before encoding, and replaced by what this one loses. Unchanged on an error;
            other profiles ignore it.
        seed: of the rounding of `int8`, 0 or more. Give every node and round its own: that makes
            the errors of updates that are averaged independent.

    The same input gives the same bytes with the same version of the compressor's library.
    Raises PayloadError for what the format or the profile can't hold and for a reference or
    residual that doesn't fit, UsageError for an unknown profile or compressor or a negative seed.
    """
    if profile not in PROFILES:
        raise UsageError(f"no codec profile {profile!r}; use one of {', '.join(PROFILES)}")
    if seed < 0:
        raise UsageError(f"the codec's seed is {seed}; it must be 0 or more")
    name_of_compressor = compressor or compressors()[0]
    squeeze = open_compressor(name_of_compressor)
    base = Reference.of(reference) if reference is not None and PROFILES[profile].lossy else None
    coder = Coder(profile, base, seed)
    earlier = {} if residual is None else residual
    lost: Dict[str, npt.NDArray[np.float32]] = {}
    entries: List[Entry] = []
    body: List[memoryview] = []
    with _Hash(sum(getattr(array, "nbytes", 0) for array in arrays.values())) as digest:
        for index, (name, array) in enumerate(arrays.items()):
            spec = describe(name, array)
            if loses(profile, spec):
                stages, coded, left = coder.encode(spec, array, index, earlier)
                sizes = [segment.size for segment in coded]
                parts = [planes.pack(segment, squeeze) for segment in coded]
                if left is not None:
                    lost[name] = left
            else:
                stages, sizes, parts = _exactly(to_items(array), profile, squeeze)
            segments = [
                Segment(name_of_compressor if packed else RAW, size, len(part))
                for size, (packed, part) in zip(sizes, parts)
            ]
            entries.append(Entry(spec, stages, tuple(segments)))
            stored = [part for _, part in parts]
            digest.update(stored)
            body.extend(stored)
    mark = None if base is None else base.fingerprint
    head = pack(Header(profile, tuple(entries), digest.hexdigest(), mark))
    if residual is not None:
        residual.update(lost)
    return b"".join([head, *body])


class _Hash:
    """SHA-256 of parts that come one by one, made beside the rest where they are large.

    Compressing and hashing leave the interpreter to others, so a second core halves their time.
    """

    def __init__(self, nbytes: int) -> None:
        self._digest = hashlib.sha256()
        self._pool = ThreadPoolExecutor(1, "hash") if nbytes >= _LARGE_BYTES else None

    def __enter__(self) -> _Hash:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def update(self, parts: List[memoryview]) -> None:
        """Take in parts, which must not change."""
        if self._pool is None:
            self._take(parts)
        else:
            self._pool.submit(self._take, parts)

    def hexdigest(self) -> str:
        """Return the hash, after the `with` statement."""
        return self._digest.hexdigest()

    def _take(self, parts: List[memoryview]) -> None:
        for part in parts:
            self._digest.update(part)


def _exactly(
    items: planes.Bytes, profile: str, squeeze: planes.Squeeze
) -> Tuple[Tuple[str, ...], List[int], _Parts]:
    """Return stages, raw sizes and parts of items, uint8 (n, item bytes), that keep every bit."""
    parts: _Parts = []
    if profile != "raw" and items.size >= _SMALL_BYTES:
        parts = planes.split(items, squeeze)
    stages = (PLANES,) if len(parts) > 1 else ()
    if not parts and items.size:
        parts = [(False, items.reshape(-1).data)]
    return stages, [items.size // len(parts)] * len(parts) if parts else [], parts
