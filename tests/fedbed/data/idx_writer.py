from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(values: NDArray[Any]) -> bytes:
    """`values` as an IDX file, not packed."""
    head = struct.pack(
        f">BBBB{values.ndim}I", 0, 0, CODES[values.dtype.str[1:]], values.ndim, *values.shape
    )
    return head + values.astype(values.dtype.newbyteorder(">")).tobytes()


def counting(*shape: int) -> NDArray[np.uint8]:
    """uint8 array of this shape with values that all differ from their neighbours."""
    return (np.arange(int(np.prod(shape))) * 7 % 251).astype(np.uint8).reshape(shape)
