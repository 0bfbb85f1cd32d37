"""MNIST with multinomial logistic regression in numpy: for boards without torch, and quick tests.

7,850 float32 parameters, 31 kB. Reaches about 92 % on MNIST (LeCun et al., 1998, report 88 % for a
linear classifier without preprocessing and 92.4 % for a pairwise one).
"""

from __future__ import annotations

from typing import Any, Dict, Mapping

import numpy as np

from fedbed.data.dataset import Split
from fedbed.errors import ExperimentError
from fedbed.tasks import measures, moments
from fedbed.tasks.trainer import Arrays, FitSettings, Metrics, Progress, Trainer, batches

CLASSES = 10
PIXELS = 784
EVALUATION_BATCH = 1000


class SoftmaxRegression(Trainer):
    """Weights `weight` float32 [784, 10] and `bias` float32 [10]."""

    def __init__(self) -> None:
        self._weights: Arrays = {
            "weight": np.zeros((PIXELS, CLASSES), np.float32),
            "bias": np.zeros(CLASSES, np.float32),
        }
        self._momentum: Dict[str, Any] = {}

    def initial(self, seed: int) -> Arrays:
        """Return small random weights and a zero bias."""
        normal = np.random.RandomState(seed % 2**32).standard_normal((PIXELS, CLASSES))
        return {
            "weight": (0.01 * normal).astype(np.float32),
            "bias": np.zeros(CLASSES, np.float32),
        }

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Take over weights and momentum; ValueError where names or shapes of weights differ."""
        _, self._momentum = moments.parted({name: np.array(a) for name, a in arrays.items()})
        for name, own in self._weights.items():
            if name not in arrays or arrays[name].shape != own.shape:
                raise ValueError(f"weights for '{name}' are missing or not of shape {own.shape}")
        self._weights = {name: np.array(arrays[name], np.float32) for name in self._weights}

    def weights(self) -> Arrays:
        """Return a copy of the weights."""
        return {name: value.copy() for name, value in self._weights.items()}

    def moments(self, optimizer: str) -> Arrays:  # noqa: ARG002 - it has but one
        """Return a copy of the momentum."""
        zeros = {name: np.zeros_like(value) for name, value in self._weights.items()}
        return moments.named(
            {name: value.copy() for name, value in {**zeros, **self._momentum}.items()}
        )

    def fit(self, data: Split, settings: FitSettings, progress: Progress) -> Metrics:
        """Train with SGD, as torch.optim.SGD defines momentum and weight decay.

        Raises ExperimentError for another optimiser.
        """
        if settings.optimizer != "sgd":
            raise ExperimentError(f"task 'mnist_softmax' learns by sgd, not {settings.optimizer}")
        anchor = self.weights()
        total = 0.0
        for batch in batches(len(data), settings, progress):
            x, labels = _scaled(data.x[batch]), data.y[batch]
            rows = np.arange(len(batch))
            probabilities = self._probabilities(x)
            total += float(-np.log(probabilities[rows, labels] + 1e-12).sum())
            probabilities[rows, labels] -= 1
            probabilities /= len(batch)
            gradients = {"weight": x.T @ probabilities, "bias": probabilities.sum(axis=0)}
            for name, gradient in gradients.items():
                gradient += settings.proximal_mu * (self._weights[name] - anchor[name])
            _clip(gradients, settings.clip)
            for name, gradient in gradients.items():
                own = self._weights[name]
                gradient += settings.weight_decay * own
                held = self._momentum.get(name)
                step = gradient if held is None else settings.momentum * held + gradient
                self._momentum[name] = step
                own -= settings.lr * step
        return {"loss": total / settings.samples}

    def evaluate(self, data: Split) -> Metrics:
        """Return mean cross-entropy, accuracy and the confusion matrix."""
        loss, matrix = 0.0, np.zeros((CLASSES, CLASSES), np.int64)
        for start in range(0, len(data), EVALUATION_BATCH):
            labels = data.y[start : start + EVALUATION_BATCH]
            probabilities = self._probabilities(_scaled(data.x[start : start + EVALUATION_BATCH]))
            loss += float(-np.log(probabilities[np.arange(len(labels)), labels] + 1e-12).sum())
            matrix += measures.confusion(labels, probabilities.argmax(axis=1), CLASSES)
        return {"loss": loss / len(data), **measures.summary(matrix, "labels")}

    def predict(
        self, images: np.ndarray[Any, np.dtype[np.uint8]]
    ) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the most probable digit of each image."""
        digits: np.ndarray[Any, Any] = self._probabilities(_scaled(images)).argmax(axis=1)
        return digits.astype(np.int64)

    def _probabilities(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        logits = x @ self._weights["weight"] + self._weights["bias"]
        logits -= logits.max(axis=1, keepdims=True)
        exponentials: np.ndarray[Any, Any] = np.exp(logits)
        exponentials /= exponentials.sum(axis=1, keepdims=True)
        return exponentials


def create() -> SoftmaxRegression:
    """Return the trainer."""
    return SoftmaxRegression()


def _clip(gradients: Arrays, longest: float) -> None:
    """Shorten a gradient in place to the norm `longest`, as torch's clip_grad_norm_ does; 0: no."""
    norm = float(np.sqrt(sum(float((part**2).sum()) for part in gradients.values())))
    if 0 < longest < norm:
        for part in gradients.values():
            part *= longest / (norm + 1e-6)


def _scaled(images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return images.reshape(len(images), PIXELS).astype(np.float32) / np.float32(255)
