"""What the tasks on CIFAR-10 share: normalisation, augmentation, and a batch size to test with."""

from __future__ import annotations

from typing import Callable

from torch import nn

from fedbed.tasks.augment import crop_and_flip
from fedbed.tasks.classifier import Classifier

# Of the pixels of CIFAR-10's 50,000 training images, per channel (red, green, blue). Our subset's
# own are (.4905, .4818, .4467) and (.2472, .2437, .2622).
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)


def classifier(build: Callable[[], nn.Module]) -> Classifier:
    """Return a trainer for a network that maps float32 [n, 3, 32, 32] to logits [n, 10]."""
    # A hundred images at a time: ResNet-50's first stage alone takes 1 MB an image and layer.
    return Classifier(build, MEAN, STD, augment=crop_and_flip, evaluation_batch=100)
