"""Reader of named arrays in an .npz file (numpy.savez), for files that nobody vouches for.

Format: a zip archive with one member `NAME.npy` per array; a member is a header with dtype and
shape (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), then the values.
`numpy.load` takes the memory that a header asks for; here the caller says beforehand what must be
in it, and only that is read. Pickled objects are never read.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from tokenize import TokenError
from typing import IO, TYPE_CHECKING, Any, Dict, Mapping, Tuple

import numpy as np
from numpy.lib import format as npy

from fedbed.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Wanted = Tuple[str, Tuple[int, ...]]
"""dtype and shape that an array must have."""

MAX_MEMBERS = 100
_ENTRY = b"PK\x01\x02"  # begins each entry of a zip's directory
_HEADER_MAX = 10_000  # bytes; those of plain arrays take 128
_DEFLATE_MAX_RATIO = 1032  # zlib.net/zlib_tech.html: no deflate stream expands more
_DAMAGE = (
    EOFError,
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    KeyError,
    RecursionError,
    MemoryError,  # of Python's parser, on a header that nests too deep
    NotImplementedError,  # a compression that this Python doesn't know
    RuntimeError,  # encrypted
    TokenError,
    OverflowError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


def parse_npz(data: bytes, name: str, wanted: Mapping[str, Wanted]) -> Dict[str, NDArray[Any]]:
    """Read the arrays `wanted` (name -> dtype and shape), in the machine's own byte order.

    `name` stands for the file in errors. Raises DataError if the file is damaged, lacks an array,
    or has one of another dtype or shape; memory is taken only for what is wanted. Further arrays
    are not looked at.
    """
    # Counted before zipfile makes an object of each.
    if data.count(_ENTRY) > MAX_MEMBERS:
        raise DataError(f"{name} is refused: it has more than {MAX_MEMBERS} members")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {key: _member(archive, name, key, *want) for key, want in wanted.items()}
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{name} is damaged or not an .npz file: {reason}") from error


def _member(
    archive: zipfile.ZipFile, name: str, key: str, dtype: str, shape: Tuple[int, ...]
) -> NDArray[Any]:
    found = [info for info in archive.infolist() if info.filename == f"{key}.npy"]
    if len(found) != 1:
        held = ", ".join(sorted({info.filename for info in archive.infolist()})) or "nothing"
        often = "twice" if found else "not"
        raise DataError(f"{name}: the array {key!r} is {often} in it (it holds {held[:200]})")
    (info,) = found
    need = np.dtype(dtype).itemsize
    for extent in shape:
        need *= extent  # Python's integers: can't overflow
    if need > info.compress_size * _DEFLATE_MAX_RATIO:
        raise DataError(f"{name}: {key!r} is truncated: {info.compress_size} bytes can't hold it")
    with archive.open(info) as stream:
        kind, extents, fortran = _header(stream)
        if kind.newbyteorder("=") != np.dtype(dtype) or extents != shape or fortran:
            order = ", in Fortran order" if fortran else ""
            raise DataError(
                f"{name}: {key!r} holds {kind} {list(extents)}{order}, "
                f"expected {dtype} {list(shape)}"
            )
        values = np.empty(need, np.uint8)
        view, got = values.data, 0
        while got < need:
            count = stream.readinto(view[got:])  # type: ignore[attr-defined]
            if not count:
                raise DataError(f"{name}: {key!r} is truncated: {got} of {need} bytes")
            got += count
        if stream.read(1):  # reaching the end also checks the CRC
            raise DataError(f"{name}: {key!r} has bytes after the {need} that its header declares")
    array: NDArray[Any] = values.view(kind).reshape(shape)
    return array.astype(kind.newbyteorder("="), copy=False)


def _header(stream: IO[bytes]) -> Tuple[np.dtype[Any], Tuple[int, ...], bool]:
    """dtype, shape and whether in Fortran order."""
    version = npy.read_magic(stream)
    if version == (1, 0):
        read = npy.read_array_header_1_0
    elif version == (2, 0):
        read = npy.read_array_header_2_0
    else:
        raise ValueError(f"version {version} of the .npy format")
    shape, fortran, dtype = read(stream, max_header_size=_HEADER_MAX)
    return dtype, tuple(shape), bool(fortran) and len(shape) > 1
