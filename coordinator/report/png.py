"""Small pictures as PNG in `data:` addresses, with the standard library (PNG: ISO/IEC 15948)."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np

from fedbed.reporting.palette import colour

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

_TRUE_COLOUR, _GREY, _INDEXED = 2, 0, 3


def image(pixels: Pixels) -> str:
    """Return the address of an image: uint8 [h, w] in grey or [h, w, 3] in RGB."""
    return _address(pixels, _TRUE_COLOUR if pixels.ndim == 3 else _GREY)


def mask(classes: Pixels) -> str:
    """Return the address of a mask, uint8 [h, w], each class in its `colour`."""
    used = int(classes.max(initial=0)) + 1
    palette = b"".join(bytes.fromhex(colour(number)[1:]) for number in range(used))
    return _address(classes, _INDEXED, palette)


def _address(pixels: Pixels, kind: int, palette: bytes = b"") -> str:
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    if kind == _INDEXED:
        lines = np.hstack([np.zeros((height, 1), np.uint8), rows])
    else:
        # What a pixel differs by from that above it (filter 2) takes fewer bytes than itself.
        above = np.vstack([np.zeros((1, rows.shape[1]), np.uint8), rows[:-1]])
        lines = np.hstack([np.full((height, 1), 2, np.uint8), rows - above])
    data = b"\x89PNG\r\n\x1a\n"
    data += _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
    data += _chunk(b"PLTE", palette) if palette else b""
    data += _chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)) + _chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def _chunk(name: bytes, data: bytes) -> bytes:
    check = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)
