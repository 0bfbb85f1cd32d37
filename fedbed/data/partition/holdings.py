"""What each part of a plan holds: classes, and how far their mix is from the whole's."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Sequence

import numpy as np

from fedbed.errors import ExperimentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

_AT_ONCE = 256
"""Masks that are counted together: bincount makes eight bytes of each pixel."""


def class_counts(
    y: NDArray[np.integer], parts: Sequence[NDArray[np.integer]], n_classes: int
) -> Counts:
    """What of each class each part has: int64 [parts, n_classes].

    y: labels [n], of which samples are counted, or masks [n, height, width], of which pixels are.
    Raises ExperimentError if a label is not below n_classes.
    """
    if len(y) and int(y.max()) >= n_classes:
        raise ExperimentError(f"label {int(y.max())} found, but only {n_classes} classes")
    if y.ndim == 1:
        counts = [np.bincount(y[part], minlength=n_classes) for part in parts]
    else:
        pixels = _pixels(y, n_classes)
        counts = [pixels[part].sum(axis=0) for part in parts]
    return np.array(counts, np.int64).reshape(len(parts), n_classes)


def heterogeneity(counts: Counts, whole: Counts) -> float:
    """How far nodes' mixes of classes are from the whole's on average: 0 (alike) to below 1.

    The mean over the nodes of the total-variation distance between the shares of classes at the
    node (a row of `counts`, int64 [parts, classes]) and in all the data (`whole`, int64 [classes]):
    the share of a typical node's samples that would have to be of another class.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    distances = np.abs(shares - whole / max(int(whole.sum()), 1)).sum(axis=1) / 2
    return float(distances.mean())


def absent(counts: Counts, wanted: Counts) -> List[int]:
    """Classes that no part has (`counts` [parts, classes]) though `wanted` [classes] has some."""
    held = counts.sum(axis=0)
    return [int(label) for label in np.flatnonzero((held == 0) & (wanted > 0))]


def _pixels(masks: NDArray[np.integer], n_classes: int) -> Counts:
    """Pixels of each class in each mask: int64 [n, n_classes]."""
    counts = np.zeros((len(masks), n_classes), np.int64)
    for start in range(0, len(masks), _AT_ONCE):
        some = masks[start : start + _AT_ONCE].reshape(len(masks[start : start + _AT_ONCE]), -1)
        rows = np.arange(len(some))[:, None] * n_classes
        found = np.bincount((some + rows).ravel(), minlength=len(some) * n_classes)
        counts[start : start + len(some)] = found.reshape(len(some), n_classes)
    return counts
