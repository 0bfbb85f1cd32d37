"""The stages of the lossy profiles, put together: one array to its segments and back."""

from __future__ import annotations

from typing import Iterable, List, MutableMapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from fedbed.codec import bf16, int8, sparse
from fedbed.codec.difference import Difference, Floats, Reference
from fedbed.codec.format import BF16, DELTA, INT8, SPARSE, Segment
from fedbed.codec.planes import Bytes, fill
from fedbed.codec.spec import ArraySpec, show
from fedbed.errors import PayloadError

Residual = MutableMapping[str, Floats]
Pieces = Iterable[memoryview]


class Coded(NamedTuple):
    """An array's stages, its segments before compression, and what it lost where that counts."""

    stages: Tuple[str, ...]
    segments: List[Bytes]
    lost: Optional[Floats]


class Coder:
    """Encodes arrays by one lossy profile, against one reference or none."""

    def __init__(self, profile: str, reference: Optional[Reference], seed: int) -> None:
        self._profile = profile
        self._reference = reference
        self._seed = seed

    def encode(self, spec: ArraySpec, array: Floats, index: int, earlier: Residual) -> Coded:
        """Encode a float32 array, the `index`-th of its payload; `earlier` is only read.

        Raises PayloadError if the reference or the residual lacks its like, or it holds what the
        profile can't carry.
        """
        base = None if self._reference is None else self._reference.base(spec)
        delta = () if base is None else (DELTA,)
        rows = int8.channels(spec) if self._profile == "int8" else 1
        # What goes out of range here is infinite, which bf16 carries and the others refuse.
        with np.errstate(over="ignore", invalid="ignore"):
            values = Difference(array, base, rows)
            if self._profile == "bf16":
                return Coded((*delta, BF16), bf16.split(values), None)
            if self._profile == "int8":
                scales = int8.scales_of(int8.peaks(values), spec.name, self._profile)
                levels = int8.quantise(values, scales, (self._seed, index))
                return Coded((*delta, INT8), [_scale_bytes(scales), levels.view(np.uint8)], None)
            whole = values.whole()
            if spec.name in earlier:
                whole += _like(spec, earlier[spec.name]).reshape(-1)
            scale, gaps, levels = sparse.choose(whole, spec.name)
        segments = [_scale_bytes(scale), gaps, levels.view(np.uint8)]
        return Coded((*delta, SPARSE, INT8), segments, whole.reshape(spec.shape))


def decode(
    spec: ArraySpec, stages: Sequence[str], segments: Sequence[Segment], pieces: Sequence[Pieces]
) -> Floats:
    """Return the values, float32 (n,), that lossy `stages` stored, without the reference.

    `pieces` are the segments' bytes after decompression. Raises PayloadError for values that no
    encoder writes.
    """
    if BF16 in stages:
        items = np.zeros((spec.nbytes // 4, 4), np.uint8)
        for column, plane in zip(bf16.KEPT, pieces):
            fill(items[:, column], plane)
        return items.reshape(-1).view("<f4").astype(np.float32, copy=False)
    parts = [_filled(segment.raw, piece) for segment, piece in zip(segments, pieces)]
    scales = parts[0].view("<f4").astype(np.float32, copy=False)
    int8.check_scales(scales, spec.name)
    levels = parts[-1].view(np.int8)
    if SPARSE in stages:
        chosen = sparse.Chosen(scales, parts[1], levels)
        return sparse.scatter(chosen, spec.nbytes // 4, spec.name)
    return int8.restore(levels, scales)


def _filled(size: int, pieces: Pieces) -> Bytes:
    plane = np.empty(size, np.uint8)
    fill(plane, pieces)
    return plane


def _scale_bytes(scales: Floats) -> Bytes:
    return scales.astype("<f4", copy=False).view(np.uint8)


def _like(spec: ArraySpec, residual: Floats) -> Floats:
    if residual.dtype != np.float32 or residual.shape != spec.shape:
        raise PayloadError(
            f"array {show(spec.name)}: its residual is {residual.dtype}{list(residual.shape)}, not"
            f" {spec.dtype}{list(spec.shape)}"
        )
    return residual
