"""What an array is on the wire: its name, dtype and shape, and the limits on them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Dict, Sequence, Tuple

from fedbed.errors import PayloadError

SHAPE = "shape"
"""The kind of error of arrays that don't have the form of those expected."""
MAX_NAME_BYTES = 512
MAX_DIMS = 32  # numpy 1 on old nodes has no more

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


def compare(expect: Sequence[ArraySpec], came: Sequence[ArraySpec]) -> None:
    """Raise PayloadError, which names the first difference, unless both are the same in order."""
    wanted = {spec.name: spec for spec in expect}
    given = {spec.name: spec for spec in came}
    for name in wanted:
        if name not in given:
            raise PayloadError(f"array {show(name)} is missing; {_these(came)} came", SHAPE)
    for name in given:
        if name not in wanted:
            raise PayloadError(
                f"array {show(name)} came and isn't expected; {_these(expect)} are", SHAPE
            )
    for name, spec in wanted.items():
        if spec != given[name]:
            raise PayloadError(
                f"array {show(name)}: expected {_kind(spec)}, came {_kind(given[name])}",
                SHAPE if spec.dtype == given[name].dtype else "dtype",
            )
    for want, have in zip(expect, came):
        if want.name != have.name:
            raise PayloadError(
                f"arrays in another order: expected {show(want.name)}, came {show(have.name)}",
                SHAPE,
            )


def _kind(spec: ArraySpec) -> str:
    return f"{spec.dtype}{list(spec.shape)}"


def _these(specs: Sequence[ArraySpec]) -> str:
    names = ", ".join(show(spec.name) for spec in specs[:4])
    return f"{len(specs)} arrays ({names}{', ...' if len(specs) > 4 else ''})"
