"""Lossless compressors of one segment, bounded on the way back.

Both are tuned for byte planes of weights, whose gain lies in how uneven the bytes are (entropy
coding) and in runs, hardly in repeated phrases. Measured on the exponent plane of normal float32
weights: zstd with its smallest hash table 0.333 of the size, twice as fast as level 1 (0.365);
zlib with runs only 0.336, twice as fast as plain level 1 (0.430).
"""

from __future__ import annotations

import importlib
import zlib
from typing import Any, Callable, Iterable, Iterator, List

from fedbed.codec.format import RAW, ZLIB, ZSTD
from fedbed.errors import PayloadError, UsageError

PIECE_BYTES = 1 << 20
"""At most this much of a segment is held at a time, where the compressor allows it."""


def _load_zstandard() -> Any:
    try:
        module = importlib.import_module("zstandard")
    except ImportError:
        return None
    # 0.22 is the first that can refuse bytes after the frame's end.
    version = tuple(int(part) for part in module.__version__.split(".")[:2])
    return module if version >= (0, 22) else None


_zstandard: Any = _load_zstandard()


def compressors() -> List[str]:
    """Return the names of the compressors usable here, the preferred one first."""
    return [ZSTD, ZLIB] if _zstandard else [ZLIB]


def compressor(name: str) -> Callable[[memoryview], bytes]:
    """Return a function that compresses contiguous bytes; not for use by two threads at once.

    Raises UsageError if this machine lacks the compressor.
    """
    if name not in compressors():
        raise UsageError(f"no compressor {name!r} here; use one of {', '.join(compressors())}")
    if name == ZLIB:
        return _deflate
    parameters = _zstandard.ZstdCompressionParameters(
        strategy=_zstandard.STRATEGY_FAST,
        window_log=19,
        hash_log=6,
        chain_log=6,
        search_log=1,
        min_match=7,
        target_length=0,
        write_content_size=1,
    )
    engine = _zstandard.ZstdCompressor(compression_params=parameters)
    compress: Callable[[memoryview], bytes] = engine.compress
    return compress


def expand(name: str, stored: Iterable[memoryview], raw: int) -> Iterator[memoryview]:
    """Yield the `raw` bytes, exactly, of a segment stored by compressor `name`.

    Raises PayloadError if they are more, fewer or damaged; never holds more than `raw` of them.
    """
    if name == RAW:
        return iter(stored)
    if name == ZLIB:
        return _inflate(stored, raw)
    if not _zstandard:
        raise PayloadError(
            "payload is compressed with zstd: install zstandard>=0.22 here,"
            " or encode with compressor='zlib'"
        )
    return _unzstd(stored, raw)


def _deflate(data: memoryview) -> bytes:
    engine = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return engine.compress(data) + engine.flush()


def _inflate(stored: Iterable[memoryview], raw: int) -> Iterator[memoryview]:
    engine = zlib.decompressobj()
    left = raw
    for chunk in stored:
        data: Any = chunk
        while data:
            # One byte more than is left, so that a stream that goes on shows itself.
            limit = min(left + 1, PIECE_BYTES)
            try:
                piece = engine.decompress(data, limit)
            except zlib.error as error:
                raise PayloadError(f"payload body is damaged (zlib: {error})") from error
            left -= len(piece)
            if left < 0 or engine.unused_data:
                raise PayloadError("payload body is damaged: a segment is longer than declared")
            yield memoryview(piece)
            data = engine.unconsumed_tail
    if left or not engine.eof:
        raise PayloadError("payload body is damaged: a segment is shorter than declared")


def _unzstd(stored: Iterable[memoryview], raw: int) -> Iterator[memoryview]:
    frame = b"".join(stored)
    try:
        # zstandard takes the memory that the frame asks for, so that is checked first.
        if _zstandard.frame_content_size(frame) != raw:
            raise PayloadError("payload body is damaged: a zstd frame of another size")
        data = _zstandard.ZstdDecompressor().decompress(
            frame, max_output_size=raw, allow_extra_data=False
        )
    except _zstandard.ZstdError as error:
        raise PayloadError(f"payload body is damaged (zstd: {error})") from error
    if len(data) != raw:
        raise PayloadError("payload body is damaged: a segment has another length than declared")
    yield memoryview(data)
