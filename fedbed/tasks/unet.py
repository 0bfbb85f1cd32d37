"""A dilated U-Net for segmentation.

Ronneberger et al. (arXiv 1505.04597): an encoder, a decoder, and skip connections between them. Two
poolings instead of four keep small clouds in sight; dilated convolutions in the middle (Yu &
Koltun, arXiv 1511.07122) look as far around as the lost stages would. Convolutions keep the image's
size; nearest neighbours enlarge it.
"""

from __future__ import annotations

import math
from typing import Callable

import torch
from torch import nn

Norm = Callable[[int], nn.Module]

GROUP = 8
DIVISOR = 4
"""Height and width must be multiples of it: they are halved twice."""


class UNet(nn.Module):
    """Maps float32 [n, 3, h, w] to logits float32 [n, classes, h, w].

    width: channels at full size; twice as many at half, three times at a quarter of it.
    norm: `group` (Wu & He, arXiv 1803.08494; 8 channels a group): no running statistics, so that
    nodes have nothing to average that isn't learnt; or `batch`.
    Convolutions start with He's normal values (arXiv 1502.01852, fan in).
    """

    def __init__(self, width: int, classes: int, norm: str) -> None:
        super().__init__()
        make = nn.BatchNorm2d if norm == "batch" else _group_norm
        self.fine = _block(3, width, make)
        self.coarse = _block(width, 2 * width, make)
        self.middle = _block(2 * width, 3 * width, make, dilation=2)
        self.around = _block(3 * width, 3 * width, make, dilation=4)
        self.up_coarse = _block(5 * width, 2 * width, make)
        self.up_fine = _block(3 * width, width, make)
        self.out = nn.Conv2d(width, classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module is not self.out:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        fine = self.fine(x)
        coarse = self.coarse(nn.functional.max_pool2d(fine, 2))
        middle = self.middle(nn.functional.max_pool2d(coarse, 2))
        middle = middle + self.around(middle)
        coarse = self.up_coarse(torch.cat([_larger(middle), coarse], dim=1))
        fine = self.up_fine(torch.cat([_larger(coarse), fine], dim=1))
        logits: torch.Tensor = self.out(fine)
        return logits


def _block(inputs: int, outputs: int, norm: Norm, dilation: int = 1) -> nn.Module:
    layers = []
    for channels in (inputs, outputs):
        # No bias: the normalisation that follows would take it away.
        conv = nn.Conv2d(channels, outputs, 3, padding=dilation, dilation=dilation, bias=False)
        layers += [conv, norm(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(channels // math.gcd(channels, GROUP), channels)


def _larger(x: torch.Tensor) -> torch.Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
