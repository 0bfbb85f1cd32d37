"""MNIST with the multilayer perceptron 784-200-200-10 ("2NN" of McMahan et al., arXiv 1602.05629).

199,210 float32 parameters, 0.8 MB.
"""

from __future__ import annotations

from torch import nn

from fedbed.tasks.classifier import Classifier


def create() -> Classifier:
    """Return the trainer; mean and deviation are those of MNIST's training pixels."""
    return Classifier(_build, mean=0.1307, std=0.3081)


def _build() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 200),
        nn.ReLU(),
        nn.Linear(200, 200),
        nn.ReLU(),
        nn.Linear(200, 10),
    )
