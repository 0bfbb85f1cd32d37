"""Training loop for image classifiers in torch: SGD with momentum, cross-entropy."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional

import numpy as np
import torch
from torch import nn

from fedbed.data.dataset import Split
from fedbed.tasks.trainer import Arrays, FitSettings, Metrics, Progress, Trainer, batches

EVALUATION_BATCH = 1000


class Classifier(Trainer):
    """A torch module that maps normalised uint8 images to class logits.

    build: makes the module; its parameters' initial values follow torch's global seed.
    mean, std: of the pixels scaled to 0..1; images are normalised batch by batch, so that a board
    holds its data as bytes.
    """

    def __init__(self, build: Callable[[], nn.Module], mean: float, std: float) -> None:
        self._build = build
        self._mean = mean
        self._std = std
        self._model = build()
        self._optimizer: Optional[torch.optim.SGD] = None

    def initial(self, seed: int) -> Arrays:
        """Return fresh weights; torch's global random state is left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return _arrays(self._build())

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Take over weights and forget the momentum."""
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
        self._model.load_state_dict(tensors, strict=True)
        self._optimizer = None

    def weights(self) -> Arrays:
        """Return a copy of the weights."""
        return _arrays(self._model)

    def fit(self, data: Split, settings: FitSettings, progress: Progress) -> Metrics:
        """Train with SGD; FedProx's term is added where `proximal_mu` is set."""
        images, labels = torch.from_numpy(data.x), torch.from_numpy(data.y)
        optimizer = self._tuned_optimizer(settings)
        anchor = [p.detach().clone() for p in self._model.parameters()]
        self._model.train()
        total = 0.0
        for batch in batches(len(data), settings, progress):
            index = torch.from_numpy(batch)
            optimizer.zero_grad(set_to_none=True)
            logits = self._model(self._normalised(images[index]))
            loss = nn.functional.cross_entropy(logits, labels[index])
            objective = loss
            if settings.proximal_mu > 0:
                drift = torch.stack(
                    [((p - a) ** 2).sum() for p, a in zip(self._model.parameters(), anchor)]
                ).sum()
                objective = loss + settings.proximal_mu / 2 * drift
            objective.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.item() * len(batch)
        return {"loss": total / settings.samples}

    def evaluate(self, data: Split) -> Metrics:
        """Return mean cross-entropy and accuracy."""
        images, labels = torch.from_numpy(data.x), torch.from_numpy(data.y)
        self._model.eval()
        loss, correct = 0.0, 0
        with torch.no_grad():
            for start in range(0, len(data), EVALUATION_BATCH):
                chunk = slice(start, start + EVALUATION_BATCH)
                logits = self._model(self._normalised(images[chunk]))
                loss += nn.functional.cross_entropy(logits, labels[chunk], reduction="sum").item()
                correct += int((logits.argmax(dim=1) == labels[chunk]).sum().item())
        return {"loss": loss / len(data), "accuracy": correct / len(data)}

    def _normalised(self, images: torch.Tensor) -> torch.Tensor:
        return images.to(torch.float32).mul_(1 / 255).sub_(self._mean).div_(self._std)

    def _tuned_optimizer(self, settings: FitSettings) -> torch.optim.SGD:
        if self._optimizer is None:
            self._optimizer = torch.optim.SGD(self._model.parameters(), lr=settings.lr)
        for group in self._optimizer.param_groups:
            group["lr"] = settings.lr
            group["momentum"] = settings.momentum
            group["weight_decay"] = settings.weight_decay
        return self._optimizer


def _arrays(model: nn.Module) -> Arrays:
    return {name: t.detach().cpu().numpy().copy() for name, t in model.state_dict().items()}
