"""Image classifiers in torch: cross-entropy, accuracy."""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from torch import nn

from fedbed.tasks.learner import Images, Learner, Truth

Augment = Callable[[Any, np.random.RandomState], Any]
"""Maps a batch of images (uint8 [n, ...], not to be changed) to one of the same shape."""


class Classifier(Learner):
    """A torch module that maps images to logits [n, classes], one class for each image.

    augment: changes the batches of `fit`, with a random state that follows from the fit's seed.
    See `Learner` for the other arguments.
    """

    def __init__(
        self,
        build: Callable[[], nn.Module],
        mean: Union[float, Sequence[float]],
        std: Union[float, Sequence[float]],
        augment: Optional[Augment] = None,
        evaluation_batch: Optional[int] = None,
    ) -> None:
        super().__init__(build, mean, std, evaluation_batch)
        self._augment = augment

    def _augmented(
        self, images: Images, truth: Truth, random: np.random.RandomState
    ) -> Tuple[Images, Truth]:
        return (images if self._augment is None else self._augment(images, random)), truth

    def _sums(self, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        total = nn.functional.cross_entropy(logits, truth, reduction="sum")
        return torch.stack([total, total.new_tensor(len(truth))])

    def _value(self, sums: torch.Tensor) -> torch.Tensor:
        return sums[0] / sums[1]
