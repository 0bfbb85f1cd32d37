"""What data sets drawn by our own code have in common: a recipe, a hash and a cache."""

from __future__ import annotations

import hashlib
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Tuple

import numpy as np

from fedbed.errors import ExperimentError
from fedbed.places import cache_dir

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Named = Dict[str, NDArray[Any]]

MAX_SAMPLES = 1_000_000


@dataclass(frozen=True)
class Recipe:
    """How arrays are drawn: always the same ones, on every machine.

    stem: names the generator, its version and every parameter; the cache's key. wanted: dtype and
    shape of each array, in the order in which they are hashed.
    """

    stem: str
    wanted: Mapping[str, Tuple[str, Tuple[int, ...]]]
    draw: Callable[[], Named]


def load(recipe: Recipe) -> Named:
    """Draw, or take what the user's cache keeps of it; works uncached where that can't be."""
    path = cache_path(recipe)
    cached = _read(path, recipe)
    if cached is not None:
        return cached
    arrays = recipe.draw()
    _write(path, arrays)
    return arrays


def arrays_sha256(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Hex sha256 over the arrays in their order: C order, little-endian, without headers."""
    digest = hashlib.sha256()
    for array in arrays.values():
        little = array.dtype.newbyteorder("<")
        digest.update(np.ascontiguousarray(array, dtype=little).data)
    return digest.hexdigest()


def cache_path(recipe: Recipe) -> Optional[Path]:
    """File that caches these arrays; None where the user has no home folder."""
    try:
        return cache_dir() / "synthetic" / f"{recipe.stem}.npz"
    except RuntimeError:  # a bare container user
        return None


def check_request(name: str, seed: int, **counts: int) -> None:
    """Raise ExperimentError for a seed outside 0..2**32-1 or an impossible number of samples."""
    if not 0 <= seed < 2**32:
        raise ExperimentError(f"{name}: seed {seed} is not within 0 and 4294967295")
    for what, count in counts.items():
        if not 0 <= count <= MAX_SAMPLES:
            raise ExperimentError(
                f"{name}: {count} {what} samples asked, allowed are 0 to {MAX_SAMPLES}"
            )


def _read(path: Optional[Path], recipe: Recipe) -> Optional[Named]:
    if path is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in recipe.wanted}
            expected = str(stored["sha256"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    fits = all(
        arrays[name].dtype == np.dtype(dtype) and arrays[name].shape == shape
        for name, (dtype, shape) in recipe.wanted.items()
    )
    # A damaged cache is drawn anew, never trusted.
    return arrays if fits and arrays_sha256(arrays) == expected else None


def _write(path: Optional[Path], arrays: Named) -> None:
    if path is None:
        return
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as out:
                # Not compressed: 11 MB are cheaper to read than to inflate on a board.
                np.savez(out, sha256=np.array(arrays_sha256(arrays)), **arrays)  # type: ignore[arg-type]
            part.replace(path)
        finally:
            if part.exists():
                part.unlink()
    except OSError:
        return  # read-only or full: the cache is a convenience
