"""Reader of IDX files, plain or gzipped: the format of MNIST and its relatives.

Format (http://yann.lecun.com/exdb/mnist/, at the bottom): two zero bytes, a type code, the number
of dimensions, each dimension as a big-endian uint32, then the values, big-endian, C order.
"""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Dict, Tuple, Union

import numpy as np

from fedbed.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEFAULT_MAX_BYTES = 256 * 1024 * 1024
"""Most bytes of values a file may declare, unless the caller permits more or less."""

_TYPES: Dict[int, str] = {
    0x08: "u1",
    0x09: "i1",
    0x0B: ">i2",
    0x0C: ">i4",
    0x0D: ">f4",
    0x0E: ">f8",
}
_GZIP_MAGIC = b"\x1f\x8b"
_DEFLATE_MAX_RATIO = 1032  # zlib.net/zlib_tech.html: no deflate stream expands more


def read_idx(path: Union[str, Path], max_bytes: int = DEFAULT_MAX_BYTES) -> NDArray[Any]:
    """Read an IDX file, gzipped or not, into an array of the machine's own byte order.

    max_bytes limits the file itself and the values that it declares. Raises DataError, naming the
    file, if it can't be read, is damaged, truncated, too big, or has bytes after its last value.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise DataError(f"can't read {path}: {error.strerror or error}") from error
    return parse_idx(data, str(path), max_bytes)


def parse_idx(data: bytes, name: str, max_bytes: int = DEFAULT_MAX_BYTES) -> NDArray[Any]:
    """Like `read_idx`, from bytes; `name` stands for them in errors."""
    if len(data) > max_bytes:
        raise DataError(f"{name} is larger than the {max_bytes} bytes that are permitted")
    packed = data[:2] == _GZIP_MAGIC
    # The most that these bytes can hold: a header that promises more is refused before any memory
    # is taken for it.
    most = len(data) * _DEFLATE_MAX_RATIO if packed else len(data)
    raw = io.BytesIO(data)
    try:
        if not packed:
            return _read(raw, name, most, max_bytes)
        with gzip.GzipFile(fileobj=raw) as unpacked:
            return _read(unpacked, name, most, max_bytes)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{name} is damaged or incomplete: {error}") from error


def _read(stream: Union[BinaryIO, gzip.GzipFile], name: str, most: int, limit: int) -> NDArray[Any]:
    dtype, shape = _header(stream, name)
    declared = dtype.itemsize
    for extent in shape:
        declared *= extent  # Python's integers: can't overflow
    if declared > limit:
        raise DataError(f"{name} declares {declared} bytes of values, permitted are {limit}")
    if declared > most:
        raise DataError(f"{name} is truncated: it declares {declared} bytes of values")
    values = np.empty(declared, np.uint8)
    view, got = values.data, 0
    while got < declared:
        count = stream.readinto(view[got:])  # type: ignore[union-attr]
        if not count:
            raise DataError(f"{name} is truncated: it has {got} of {declared} bytes of values")
        got += count
    if stream.read(1):  # with gzip, reaching the end also checks the CRC
        raise DataError(f"{name} has bytes after the {declared} that its header declares")
    return values.view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _header(
    stream: Union[BinaryIO, gzip.GzipFile], name: str
) -> Tuple[np.dtype[Any], Tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        raise DataError(f"{name} is not an IDX file: it begins with {magic.hex() or 'nothing'}")
    ndim = magic[3]
    if not 1 <= ndim <= 8:
        raise DataError(f"{name} is not an IDX file that fedbed reads: {ndim} dimensions")
    extents = stream.read(4 * ndim)
    if len(extents) < 4 * ndim:
        raise DataError(f"{name} is truncated within its header")
    return np.dtype(_TYPES[magic[2]]), struct.unpack(f">{ndim}I", extents)
