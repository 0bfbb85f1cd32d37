"""Training loop for image classifiers in torch: SGD with momentum, cross-entropy.

Batch normalisation in a federation: `weights` holds `running_mean` and `running_var` (float32)
beside the parameters, so that the strategy averages them by examples like all else (FedAvg over the
state, as McMahan et al.'s averaging is commonly applied) and the centre can evaluate the average.
`num_batches_tracked` stays behind: it is an int64 that averaging would turn into float64, and with
a fixed momentum torch never reads it.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Sequence, Union

import numpy as np
import torch
from torch import nn

from fedbed.data.dataset import Split
from fedbed.tasks.trainer import Arrays, FitSettings, Metrics, Progress, Trainer, batches

EVALUATION_BATCH = 1000

Augment = Callable[[Any, np.random.RandomState], Any]
"""Maps a batch of images (uint8 [n, ...], not to be changed) to one of the same shape."""

_LOCAL = "num_batches_tracked"


class Classifier(Trainer):
    """A torch module that maps normalised uint8 images to class logits.

    build: makes the module; its parameters' initial values follow torch's global seed.
    mean, std: of the pixels scaled to 0..1; images are normalised batch by batch, so that a board
    holds its data as bytes. One number each for grey images [n, h, w], which reach the module in
    this shape; one per channel for [n, h, w, channels], which reach it as [n, channels, h, w].
    augment: changes the batches of `fit`, with a random state that follows from the fit's seed.
    evaluation_batch: images that `evaluate` takes at a time (EVALUATION_BATCH unless given).
    """

    def __init__(
        self,
        build: Callable[[], nn.Module],
        mean: Union[float, Sequence[float]],
        std: Union[float, Sequence[float]],
        augment: Optional[Augment] = None,
        evaluation_batch: Optional[int] = None,
    ) -> None:
        self._build = build
        self._mean = _per_channel(mean)
        self._std = _per_channel(std)
        self._augment = augment
        self._evaluation_batch = evaluation_batch
        self._model = build()
        self._optimizer: Optional[torch.optim.SGD] = None

    def initial(self, seed: int) -> Arrays:
        """Return fresh weights; torch's global random state is left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return _arrays(self._build())

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Take over weights and forget the momentum.

        A strategy that steps beyond the average (server momentum, FedAdam) can leave a running
        variance below 0, whose root is no number: it is taken for 0.
        """
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
        for name, tensor in tensors.items():
            if name.endswith("running_var"):
                tensor.clamp_(min=0)
        own = self._model.state_dict()
        local = {name: own[name] for name in own if name.endswith(_LOCAL)}
        self._model.load_state_dict({**local, **tensors}, strict=True)
        self._optimizer = None

    def weights(self) -> Arrays:
        """Return a copy of the weights."""
        return _arrays(self._model)

    def fit(self, data: Split, settings: FitSettings, progress: Progress) -> Metrics:
        """Train with SGD; FedProx's term is added where `proximal_mu` is set."""
        labels = torch.from_numpy(data.y)
        # A stream of its own: `batches` draws the order of the samples from the bare seed.
        random = np.random.RandomState([settings.seed % 2**32, 1])
        optimizer = self._tuned_optimizer(settings)
        anchor = [p.detach().clone() for p in self._model.parameters()]
        self._model.train()
        total = 0.0
        for batch in batches(len(data), settings, progress):
            images = data.x[batch]
            if self._augment is not None:
                images = self._augment(images, random)
            optimizer.zero_grad(set_to_none=True)
            logits = self._model(self._normalised(torch.from_numpy(images)))
            loss = nn.functional.cross_entropy(logits, labels[torch.from_numpy(batch)])
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
            size = self._evaluation_batch or EVALUATION_BATCH
            for start in range(0, len(data), size):
                chunk = slice(start, start + size)
                logits = self._model(self._normalised(images[chunk]))
                loss += nn.functional.cross_entropy(logits, labels[chunk], reduction="sum").item()
                correct += int((logits.argmax(dim=1) == labels[chunk]).sum().item())
        return {"loss": loss / len(data), "accuracy": correct / len(data)}

    def _normalised(self, images: torch.Tensor) -> torch.Tensor:
        if images.ndim == 4:
            # Contiguous: left in their old order in memory, they train at half the speed.
            images = images.permute(0, 3, 1, 2).contiguous()
        return images.to(torch.float32).mul_(1 / 255).sub_(self._mean).div_(self._std)

    def _tuned_optimizer(self, settings: FitSettings) -> torch.optim.SGD:
        if self._optimizer is None:
            self._optimizer = torch.optim.SGD(self._model.parameters(), lr=settings.lr)
        for group in self._optimizer.param_groups:
            group["lr"] = settings.lr
            group["momentum"] = settings.momentum
            group["weight_decay"] = settings.weight_decay
        return self._optimizer


def _per_channel(value: Union[float, Sequence[float]]) -> Any:
    """Return a number as it is, several as float32 [channels, 1, 1]."""
    if isinstance(value, (int, float)):
        return value
    return torch.tensor(value, dtype=torch.float32).reshape(-1, 1, 1)


def _arrays(model: nn.Module) -> Arrays:
    return {
        name: tensor.detach().cpu().numpy().copy()
        for name, tensor in model.state_dict().items()
        if not name.endswith(_LOCAL)
    }
