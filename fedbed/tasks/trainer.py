"""What a task must do, for a node, for the server-side evaluation and for the centralised twin."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, Mapping, Tuple

import numpy as np

from fedbed.data.dataset import Split

Arrays = Dict[str, "np.ndarray[Any, Any]"]
Metrics = Dict[str, Any]
"""Numbers by name; `confusion` alone is a list of whole numbers."""
Progress = Callable[[float], None]
"""Called with the share done, 0.0 to 1.0."""


@dataclass(frozen=True)
class FitSettings:
    """How to train: everything but the data and the start weights.

    samples: how many samples to see. first: where that begins in an endless row of passes over the
    data, each in an order of its own; so a fit may go on where the one before it ended.
    optimizer: `sgd`, with `momentum`, or `adamw`, with `betas`.
    clip: longest gradient that is followed as it is (L2 norm over all weights); a longer one is
    shortened to it. 0 switches it off.
    proximal_mu: weight of FedProx's proximal term (Li et al., arXiv 1812.06127); 0 switches it off.
    seed: decides the order of each pass; same seed, `first`, data and weights give the same result.
    """

    samples: int
    batch_size: int
    lr: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    proximal_mu: float = 0.0
    seed: int = 0
    first: int = 0
    optimizer: str = "sgd"
    betas: Tuple[float, float] = (0.9, 0.999)
    clip: float = 0.0


class Trainer(ABC):
    """A model with its way of learning. Not thread-safe; one per process is the rule."""

    @abstractmethod
    def initial(self, seed: int) -> Arrays:
        """Return fresh weights (name -> float32 array), the same for the same seed."""

    @abstractmethod
    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Take over weights, and the optimiser's state if it is with them; forget it if not."""

    @abstractmethod
    def weights(self) -> Arrays:
        """Return a copy of the weights (name -> float32 array)."""

    @abstractmethod
    def moments(self, optimizer: str) -> Arrays:
        """Return a copy of the optimiser's state, under names of `fedbed.tasks.moments`.

        All zeros before its first step. optimizer: which one, as in FitSettings.
        """

    @abstractmethod
    def fit(self, data: Split, settings: FitSettings, progress: Progress) -> Metrics:
        """Train on; returns at least `loss`, the mean training loss over the samples seen.

        The optimiser's state survives from call to call until `load`: that is how the
        centralised twin keeps its momentum over what are rounds to the federated run.
        """

    @abstractmethod
    def evaluate(self, data: Split) -> Metrics:
        """Return `loss` and what `fedbed.tasks.measures.summary` says of the confusion matrix.

        That is `accuracy` (0 to 1), for masks `mean_iou` and `mean_dice` too, and the matrix.
        """

    @abstractmethod
    def predict(
        self, images: np.ndarray[Any, np.dtype[np.uint8]]
    ) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the most probable class, int64 [n], or that of each pixel, int64 [n, h, w]."""


def batches(
    count: int, settings: FitSettings, progress: Progress
) -> Iterator[np.ndarray[Any, np.dtype[np.int64]]]:
    """Yield index arrays (int64, at most `batch_size` long) until `settings.samples` are seen.

    A batch ends with its pass. RandomState is used because NumPy froze its
    stream: old boards draw the same order.
    """
    if count < 1:
        raise ValueError("there are no samples to train on")
    seen, reported = 0, 0.0
    while seen < settings.samples:
        number, offset = divmod(settings.first + seen, count)
        whole = np.random.RandomState([settings.seed % 2**32, number % 2**32]).permutation(count)
        order = whole[offset : offset + settings.samples - seen]
        for start in range(0, len(order), settings.batch_size):
            batch = order[start : start + settings.batch_size]
            yield batch
            seen += len(batch)
            share = seen / settings.samples
            if share - reported >= 0.05:
                reported = share
                progress(share)
