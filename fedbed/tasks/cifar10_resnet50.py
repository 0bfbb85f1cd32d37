"""CIFAR-10 with ResNet-50 (He et al., arXiv 1512.03385; 3x3 stem, see `fedbed.tasks.resnet`).

23,520,842 float32 parameters, 94.1 MB; with them travel the 53,120 running statistics of the batch
normalisation, which are averaged like weights (`fedbed.tasks.classifier` says how and why).
"""

from __future__ import annotations

from torch import nn

from fedbed.tasks import cifar10
from fedbed.tasks.classifier import Classifier
from fedbed.tasks.resnet import Bottleneck, resnet


def create() -> Classifier:
    """Return the trainer."""
    return cifar10.classifier(_build)


def _build() -> nn.Module:
    return resnet(Bottleneck, (3, 4, 6, 3))
