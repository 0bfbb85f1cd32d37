"""The difference of an array to the one that the other side holds, block by block."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Optional, Tuple, Union

import numpy as np
import numpy.typing as npt

from fedbed.codec.items import fingerprint
from fedbed.codec.spec import ArraySpec, show
from fedbed.errors import PayloadError

Floats = npt.NDArray[np.float32]
Arrays = Mapping[str, npt.NDArray[Any]]
Place = Tuple[slice, slice]

BLOCK_ITEMS = 1 << 15
"""Items of one block: a few float32 buffers of it fit a core's cache."""


def blocks(rows: int, columns: int) -> Iterator[Place]:
    """Yield the places of blocks that cover (rows, columns), of at most `BLOCK_ITEMS` each."""
    wide = min(columns, BLOCK_ITEMS)
    tall = BLOCK_ITEMS // wide
    for row in range(0, rows, tall):
        for column in range(0, columns, wide):
            yield slice(row, row + tall), slice(column, column + wide)


class Difference:
    """float32 (rows, columns) of an array, less the reference where there is one."""

    def __init__(self, array: Floats, base: Optional[Floats], rows: int) -> None:
        self.shape = (rows, array.size // rows)
        self._array = _flat(array).reshape(self.shape)
        self._base = None if base is None else _flat(base).reshape(self.shape)
        self._buffer = np.empty(min(array.size, BLOCK_ITEMS), np.float32)

    def blocks(self) -> Iterator[Tuple[Place, Floats]]:
        """Yield each place and the values there: a buffer to work in, overwritten by the next."""
        for place in blocks(*self.shape):
            here = self._array[place]
            block = self._buffer[: here.size].reshape(here.shape)
            if self._base is None:
                np.copyto(block, here)
            else:
                np.subtract(here, self._base[place], out=block)
            yield place, block

    def whole(self) -> Floats:
        """Return all values at once, in one new array of one dimension."""
        flat = self._array.reshape(-1)
        return flat.copy() if self._base is None else np.subtract(flat, self._base.reshape(-1))


class Reference:
    """The arrays that both sides hold, and the 64 hex digits by which they know that they do.

    fingerprint: `fedbed.codec.fingerprint` of the arrays, made when first asked for, unless the two
    sides have another name for them, such as the sha256 of the payload that carried them.
    """

    def __init__(self, arrays: Arrays, fingerprint: Optional[str] = None) -> None:
        self._arrays = arrays
        self._fingerprint = fingerprint

    @classmethod
    def of(cls, given: Union[Arrays, Reference]) -> Reference:
        """Return `given` as a reference."""
        return given if isinstance(given, Reference) else cls(given)

    @property
    def fingerprint(self) -> str:
        """What a payload calls this reference."""
        if self._fingerprint is None:
            self._fingerprint = fingerprint(self._arrays)
        return self._fingerprint

    def fits(self, arrays: Arrays) -> bool:
        """Whether `arrays` are of the same names, dtypes and shapes as these."""
        return set(arrays) == set(self._arrays) and all(
            array.dtype == self._arrays[name].dtype and array.shape == self._arrays[name].shape
            for name, array in arrays.items()
        )

    def base(self, spec: ArraySpec) -> Floats:
        """Return the array of that name; PayloadError unless its dtype and shape agree."""
        array = self._arrays.get(spec.name)
        if array is None or array.dtype.name != spec.dtype or array.shape != spec.shape:
            raise PayloadError(
                f"array {show(spec.name)}: the reference has none of that name, dtype and shape"
            )
        return array


def add(array: Floats, base: Floats) -> None:
    """Add `base` to `array` of the same size in place; a sum out of range becomes infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        np.add(array.reshape(-1), _flat(base), out=array.reshape(-1))


def _flat(array: Floats) -> Floats:
    return np.ascontiguousarray(array, np.float32).reshape(-1)
