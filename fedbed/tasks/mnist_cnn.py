"""MNIST with the convolutional network of McMahan et al. (arXiv 1602.05629, section 3).

"A CNN with two 5x5 convolution layers (the first with 32 channels, the second with 64, each
followed with 2x2 max pooling), a fully connected layer with 512 units and ReLU activation, and a
final softmax output layer (1,663,370 total parameters)": 6.7 MB. That number fixes what the
sentence leaves open: the convolutions keep the image's size. ReLU follows them too.
"""

from __future__ import annotations

from torch import nn

from fedbed.tasks.classifier import Classifier


def create() -> Classifier:
    """Return the trainer; mean and deviation are those of MNIST's training pixels."""
    return Classifier(_build, mean=0.1307, std=0.3081)


def _build() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 28)),
        nn.Conv2d(1, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(7 * 7 * 64, 512),
        nn.ReLU(),
        nn.Linear(512, 10),
    )
