"""Arrays to payload bytes."""

from __future__ import annotations

import hashlib
from typing import Any, List, Mapping, Optional, Tuple

import numpy as np
import numpy.typing as npt

from fedbed.codec import planes
from fedbed.codec.compress import compressor as open_compressor
from fedbed.codec.compress import compressors
from fedbed.codec.format import PLANES, RAW, ArraySpec, Entry, Header, Segment, pack, show
from fedbed.errors import PayloadError, UsageError

PROFILES = ("raw", "exact")
"""`raw`: the items as they are. `exact`: the same bits, in fewer bytes where that pays."""

# Below this the header's words about planes outweigh what they save.
_SMALL_BYTES = 1024


def encode(
    arrays: Mapping[str, npt.NDArray[Any]],
    profile: str = "exact",
    compressor: Optional[str] = None,
) -> bytes:
    """Return the payload (see `fedbed.codec.format`) that holds `arrays`, in the mapping's order.

    Args:
        arrays: name to array of any shape, memory order and byte order; dtypes are bool, integers,
            float16/32/64 and complex64/128.
        profile: one of `PROFILES`; both restore every bit.
        compressor: one of `compressors()`; the first of them unless given.

    The same input gives the same bytes with the same version of the compressor's library.
    Raises PayloadError for what the format can't hold, UsageError for an unknown profile or
    compressor.
    """
    if profile not in PROFILES:
        raise UsageError(f"no codec profile {profile!r}; use one of {', '.join(PROFILES)}")
    name_of_compressor = compressor or compressors()[0]
    squeeze = open_compressor(name_of_compressor)
    entries: List[Entry] = []
    body: List[memoryview] = []
    for name, array in arrays.items():
        spec, items = _items(name, array)
        parts: List[Tuple[bool, memoryview]] = []
        if profile == "exact" and items.size >= _SMALL_BYTES:
            parts = planes.split(items, squeeze)
        stages = (PLANES,) if len(parts) > 1 else ()
        if not parts and items.size:
            parts = [(False, items.reshape(-1).data)]
        raw = items.size // max(len(parts), 1)
        segments = [
            Segment(name_of_compressor if packed else RAW, raw, len(part)) for packed, part in parts
        ]
        entries.append(Entry(spec, stages, tuple(segments)))
        body.extend(part for _, part in parts)
    digest = hashlib.sha256()
    for part in body:
        digest.update(part)
    return b"".join([pack(Header(profile, tuple(entries), digest.hexdigest())), *body])


def _items(name: str, array: npt.NDArray[Any]) -> Tuple[ArraySpec, planes.Bytes]:
    """Return what to write about an array and its little-endian items, uint8 (n, item bytes)."""
    if not isinstance(array, (np.ndarray, np.generic)) or isinstance(array, np.ma.MaskedArray):
        given = type(array).__name__
        raise PayloadError(f"array {show(str(name))} is a {given}; give a plain numpy array")
    spec = ArraySpec(name, array.dtype.name, tuple(array.shape))
    wire = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    if spec.dtype == "bool":
        # numpy takes any byte but 0 for True; the wire has only 1.
        wire = wire.view(np.uint8) != 0
    return spec, wire.reshape(-1).view(np.uint8).reshape(-1, wire.dtype.itemsize)
