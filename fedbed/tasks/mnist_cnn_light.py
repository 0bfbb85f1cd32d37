"""MNIST with a small convolutional network for boards: 11,274 float32 parameters, 45 kB."""

from __future__ import annotations

from torch import nn

from fedbed.tasks.classifier import Classifier


def create() -> Classifier:
    """Return the trainer; mean and deviation are those of MNIST's training pixels."""
    return Classifier(_build, mean=0.1307, std=0.3081)


def _build() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 28)),
        nn.Conv2d(1, 8, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(8, 16, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(7 * 7 * 16, 10),
    )
