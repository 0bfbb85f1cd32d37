"""Residual networks for small images (He et al., arXiv 1512.03385, table 1 and figure 5).

As there, but for the stem: images of 32x32 pixels get one 3x3 convolution of stride 1 and no
max-pooling, where the paper's 7x7 of stride 2 for 224x224 would leave little of them. In bottleneck
blocks the 3x3 convolution carries the stride (as torchvision's "v1.5" does).
"""

from __future__ import annotations

from typing import List, Sequence, Type, Union

import torch
from torch import nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: float32 [n, inputs, h, w] -> [n, width, h', w']."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(inputs, width, 3, stride),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            _conv(width, width, 3, 1),
            nn.BatchNorm2d(width),
        )
        self.shortcut = _shortcut(inputs, width, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum of both ways, rectified."""
        return torch.relu(self.body(x) + self.shortcut(x))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions: float32 [n, inputs, h, w] -> [n, 4 * width, h', w']."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.body = nn.Sequential(
            _conv(inputs, width, 1, 1),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            _conv(width, width, 3, stride),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            _conv(width, outputs, 1, 1),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = _shortcut(inputs, outputs, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum of both ways, rectified."""
        return torch.relu(self.body(x) + self.shortcut(x))


def resnet(
    block: Union[Type[BasicBlock], Type[Bottleneck]],
    depths: Sequence[int],
    classes: int = 10,
    width: int = 64,
) -> nn.Module:
    """Build the network: float32 [n, 3, h, w] -> logits float32 [n, classes].

    depths: blocks per stage; each stage after the first halves the image and doubles the channels,
    of which the first has `width`. Convolutions start with He's normal values (arXiv 1502.01852,
    fan out), so the initial weights follow torch's global seed.
    """
    layers: List[nn.Module] = [_conv(3, width, 3, 1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    inputs = width
    for stage, depth in enumerate(depths):
        for number in range(depth):
            stride = 2 if stage > 0 and number == 0 else 1
            layers.append(block(inputs, width * 2**stage, stride))
            inputs = width * 2**stage * block.expansion
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes)]
    network = nn.Sequential(*layers)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def _conv(inputs: int, outputs: int, size: int, stride: int) -> nn.Conv2d:
    # No bias: the normalisation that follows would take it away.
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(_conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
