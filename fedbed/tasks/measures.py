"""How well a model does, from its confusion matrix: of labels and of masks alike.

A confusion matrix is int64 [classes, classes]; row: what is true, column: what the model says;
samples or, of masks, pixels. Matrices add up, over batches and over nodes, and measures of the sum
are those of all test data. (The mean of the nodes' mean IoUs is not: IoU is a ratio.)

A class that neither the truth nor the prediction has doesn't count in a mean over classes; one that
is predicted somewhere, or missed everywhere, counts with 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFUSION = "confusion"
"""Key under which `Trainer.evaluate` returns the matrix, row after row, as a list."""
WEIGHT = "num-examples"
_MOST = 2**53


def confusion(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int
) -> NDArray[np.int64]:
    """Count pairs of true and predicted classes, both 0..classes-1 and of one shape."""
    pairs = truth.astype(np.int64).ravel() * classes + predicted.ravel()
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def accuracy(matrix: NDArray[np.int64]) -> float:
    """Return the share of samples or pixels whose class is right; 0 where there are none."""
    total = int(matrix.sum())
    return int(np.trace(matrix)) / total if total else 0.0


def recall(matrix: NDArray[np.int64]) -> List[Optional[float]]:
    """Return per class the share of it that is recognised; None for one that isn't there."""
    return _ratios(np.diag(matrix), matrix.sum(axis=1))


def iou(matrix: NDArray[np.int64]) -> List[Optional[float]]:
    """Return intersection over union per class (Jaccard); None where it is nowhere."""
    hits = np.diag(matrix)
    return _ratios(hits, matrix.sum(axis=0) + matrix.sum(axis=1) - hits)


def dice(matrix: NDArray[np.int64]) -> List[Optional[float]]:
    """Return the Dice coefficient (F1) per class; None where it is nowhere."""
    return _ratios(2 * np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1))


def mean(values: Sequence[Optional[float]]) -> float:
    """Return the mean of the classes that count; 0 where none does."""
    there = [value for value in values if value is not None]
    return math.fsum(there) / len(there) if there else 0.0


def summary(matrix: NDArray[np.int64], wants: str) -> Dict[str, Any]:
    """Return what `Trainer.evaluate` does, but for the loss.

    wants: 'labels' (accuracy) or 'masks' (accuracy by pixel, mean_iou and mean_dice).
    """
    found: Dict[str, Any] = {"accuracy": accuracy(matrix)}
    if wants == "masks":
        found.update(mean_iou=mean(iou(matrix)), mean_dice=mean(dice(matrix)))
    found[CONFUSION] = [int(count) for count in matrix.ravel()]
    return found


def square(flat: object) -> Optional[NDArray[np.int64]]:
    """Return the matrix that a list holds row after row; None where it can't be one."""
    if not isinstance(flat, (list, tuple)):
        return None
    classes = math.isqrt(len(flat))
    whole = all(type(count) is int and 0 <= count < _MOST for count in flat)
    if not classes or classes * classes != len(flat) or not whole:
        return None
    return np.array(flat, np.int64).reshape(classes, classes)


def pooled(replies: Sequence[Mapping[str, Any]], wants: str) -> Optional[Dict[str, Any]]:
    """Return the metrics of all nodes' test samples together; None where that can't be told.

    replies: what `Trainer.evaluate` gave on each node, with `num-examples`. Matrices are summed;
    the loss is the mean by examples. None where one of them lacks its figures, or has a matrix of
    another size.
    """
    known = [found for found in map(_reply, replies) if found is not None]
    sizes = {len(matrix) for _, _, matrix in known}
    if len(known) < len(replies) or len(sizes) != 1:
        return None
    examples = sum(weight for weight, _, _ in known)
    loss = math.fsum(weight * loss for weight, loss, _ in known) / examples
    together: NDArray[np.int64] = np.sum([matrix for _, _, matrix in known], axis=0)
    return {"loss": loss, **summary(together, wants)}


def _reply(reply: Mapping[str, Any]) -> Optional[Tuple[int, float, NDArray[np.int64]]]:
    """Return examples, loss and matrix; None where they are not what a node may say."""
    examples, loss, matrix = reply.get(WEIGHT), reply.get("loss"), square(reply.get(CONFUSION))
    if type(examples) is not int or examples < 1 or not isinstance(loss, (int, float)):
        return None
    return None if matrix is None else (examples, float(loss), matrix)


def _ratios(hits: NDArray[np.int64], of: NDArray[np.int64]) -> List[Optional[float]]:
    return [int(hit) / int(all_) if all_ else None for hit, all_ in zip(hits, of)]
