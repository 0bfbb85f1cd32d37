"""Segmentation in torch: a class for each pixel, by dice, cross-entropy or both; mean IoU."""

from __future__ import annotations

from typing import Callable, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import nn

from fedbed.tasks.augment import symmetries
from fedbed.tasks.learner import Images, Learner, Truth

EVALUATION_BATCH = 16
SMOOTHING = 1.0
LOSSES = ("dice", "dice_ce", "ce")


class Segmenter(Learner):
    """A torch module that maps RGB images to logits [n, classes, h, w], one class for each pixel.

    loss: `dice`: 1 minus the soft Dice coefficient (Milletari et al., arXiv 1606.04797), per class
    over all pixels of the batch, the mean over the classes, 1 added above and below; `ce`: mean
    cross-entropy of the pixels; `dice_ce`: their sum. Training images are turned and mirrored at
    random, with their masks: the 8 symmetries of the square.
    See `Learner` for the other arguments.
    """

    wants = "masks"

    def __init__(
        self,
        build: Callable[[], nn.Module],
        mean: Sequence[float],
        std: Sequence[float],
        loss: str,
        evaluation_batch: Optional[int] = None,
    ) -> None:
        super().__init__(build, mean, std, evaluation_batch or EVALUATION_BATCH)
        self._dice = loss in ("dice", "dice_ce")
        self._entropy = loss in ("ce", "dice_ce")

    def _augmented(
        self, images: Images, truth: Truth, random: np.random.RandomState
    ) -> Tuple[Images, Truth]:
        return symmetries(images, truth, random)

    def _sums(self, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Return [4, classes]: intersection, predicted, true; entropy and pixels in the last."""
        classes = logits.shape[1]
        sums = [logits.new_zeros(classes) for _ in range(3)]
        rest = [logits.new_zeros(()), logits.new_tensor(truth.numel())]
        if self._dice:
            predicted = logits.softmax(dim=1)
            true = nn.functional.one_hot(truth, classes).permute(0, 3, 1, 2).to(logits.dtype)
            pixels = (0, 2, 3)
            sums = [part.sum(pixels) for part in (predicted * true, predicted, true)]
        if self._entropy:
            rest[0] = nn.functional.cross_entropy(logits, truth, reduction="sum")
        return torch.stack([*sums, torch.stack([*rest, *logits.new_zeros(classes - 2)])])

    def _value(self, sums: torch.Tensor) -> torch.Tensor:
        both, predicted, true, (entropy, pixels, *_) = sums
        loss = sums.new_zeros(())
        if self._dice:
            loss = loss + 1 - ((2 * both + SMOOTHING) / (predicted + true + SMOOTHING)).mean()
        if self._entropy:
            loss = loss + entropy / pixels
        return loss
