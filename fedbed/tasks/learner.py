"""What tasks in torch share: weights in and out, the training loop, testing.

Batch normalisation in a federation: `weights` holds `running_mean` and `running_var` (float32)
beside the parameters, so that the strategy averages them by examples like all else (FedAvg over the
state, as McMahan et al.'s averaging is commonly applied) and the centre can evaluate the average.
`num_batches_tracked` stays behind: it is an int64 that averaging would turn into float64, and with
a fixed momentum torch never reads it.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from torch import nn

from fedbed.data.dataset import Split
from fedbed.tasks import measures, moments, optimizers
from fedbed.tasks.trainer import Arrays, FitSettings, Metrics, Progress, Trainer, batches

EVALUATION_BATCH = 1000

Images = Any
"""uint8 [n, height, width] or [n, height, width, channels], not to be changed."""
Truth = Any
"""Labels int64 [n] or masks uint8 [n, height, width], not to be changed."""

_LOCAL = "num_batches_tracked"


@contextmanager
def _denormals_as_zero() -> Iterator[None]:
    """Let this thread take numbers below 1.2e-38 for 0, on x86 and on 64-bit Arm.

    Momentum whose gradient has become 0 decays into these, and so do Adam's squares: they change no
    weight, and a processor takes many times as long for them. Only while a task computes, since
    the rest of the process may count on such numbers.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class Learner(Trainer):
    """A torch module that maps normalised uint8 images to logits [n, classes, ...].

    build: makes the module; its parameters' initial values follow torch's global seed.
    mean, std: of the pixels scaled to 0..1; images are normalised batch by batch, so that a board
    holds its data as bytes. One number each for grey images [n, h, w], which reach the module in
    this shape; one per channel for [n, h, w, channels], which reach it as [n, channels, h, w].
    evaluation_batch: images that `evaluate` takes at a time (EVALUATION_BATCH unless given).

    A subclass says what the loss is, what is measured, and how batches are augmented. The loss is
    a function of sums over samples (`_sums`, `_value`), so that a test can add up its batches.
    """

    wants = "labels"
    """What the task learns from; see `fedbed.tasks.wants`."""

    def __init__(
        self,
        build: Callable[[], nn.Module],
        mean: Union[float, Sequence[float]],
        std: Union[float, Sequence[float]],
        evaluation_batch: Optional[int] = None,
    ) -> None:
        self._build = build
        self._mean = _per_channel(mean)
        self._std = _per_channel(std)
        self._evaluation_batch = evaluation_batch
        # Channels last in memory: convolutions on a CPU take a fifth to a third less time so.
        self._model = build().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimizer: Optional[torch.optim.Optimizer] = None
        self._moments: Arrays = {}
        """Those that came with the weights, for the next optimiser."""

    @abstractmethod
    def _sums(self, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Return what the loss is made of, summed over the batch; truth is int64."""

    @abstractmethod
    def _value(self, sums: torch.Tensor) -> torch.Tensor:
        """Return the loss, a scalar, that belongs to these sums."""

    def _augmented(
        self,
        images: Images,
        truth: Truth,
        random: np.random.RandomState,  # noqa: ARG002 - for subclasses
    ) -> Tuple[Images, Truth]:
        """Return the batch as `fit` is to see it; `random` follows from the fit's seed."""
        return images, truth

    def initial(self, seed: int) -> Arrays:
        """Return fresh weights; torch's global random state is left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return _arrays(self._build())

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Take over weights, and the optimiser's state from the moments among them, if any.

        A strategy that steps beyond the average (server momentum, FedAdam) can leave a running
        variance below 0, whose root is no number: it is taken for 0.
        """
        weights, self._moments = moments.parted(arrays)
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
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

    def moments(self, optimizer: str) -> Arrays:
        """Return a copy of the optimiser's state, under the names that `load` knows."""
        if self._optimizer is None and self._moments:
            return moments.named({name: np.array(a) for name, a in self._moments.items()})
        parameters = dict(self._model.named_parameters())
        return moments.named(optimizers.state(self._optimizer, optimizer, parameters))

    @_denormals_as_zero()
    def fit(self, data: Split, settings: FitSettings, progress: Progress) -> Metrics:
        """Train with the optimiser of the settings; FedProx's term is added where it is asked."""
        # A stream of its own: `batches` draws the order of the samples from the bare seed.
        random = np.random.RandomState([settings.seed % 2**32, 1, settings.first % 2**32])
        optimizer = self._tuned_optimizer(settings)
        parameters = list(self._model.parameters())
        anchor = [p.detach().clone() for p in parameters]
        self._model.train()
        total = 0.0
        for batch in batches(len(data), settings, progress):
            images, truth = self._augmented(data.x[batch], data.y[batch], random)
            optimizer.zero_grad(set_to_none=True)
            logits = self._model(self._normalised(torch.from_numpy(images)))
            loss = objective = self._value(self._sums(logits, _indices(truth)))
            if settings.proximal_mu > 0:
                objective = loss + settings.proximal_mu / 2 * _drift(parameters, anchor)
            objective.backward()  # type: ignore[no-untyped-call]
            if settings.clip > 0:
                nn.utils.clip_grad_norm_(parameters, settings.clip)
            optimizer.step()
            total += loss.item() * len(batch)
        return {"loss": total / settings.samples}

    @_denormals_as_zero()
    def evaluate(self, data: Split) -> Metrics:
        """Return the loss, and the measures of `fedbed.tasks.measures.summary`.

        The loss is that of all samples as one batch, whatever the batches here.
        """
        sums, matrix = torch.zeros(1, dtype=torch.float64), np.zeros((1, 1), np.int64)
        for logits, truth in self._tested(data):
            sums = sums + self._sums(logits, truth).to(torch.float64)
            predicted = logits.argmax(dim=1).numpy()
            matrix = matrix + measures.confusion(truth.numpy(), predicted, logits.shape[1])
        return {"loss": self._value(sums).item(), **measures.summary(matrix, self.wants)}

    @_denormals_as_zero()
    def predict(self, images: Images) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the most probable class of each image, or of each of its pixels."""
        nothing = np.zeros(len(images), np.int64)
        found = [logits.argmax(dim=1).numpy() for logits, _ in self._tested(Split(images, nothing))]
        return np.concatenate(found)

    def _tested(self, data: Split) -> Iterator[Tuple[torch.Tensor, torch.Tensor]]:
        """Yield logits and truth, batch by batch, with the model as it is used for tests."""
        self._model.eval()
        size = self._evaluation_batch or EVALUATION_BATCH
        with torch.no_grad():
            for start in range(0, len(data), size):
                chunk = slice(start, start + size)
                images = self._normalised(torch.from_numpy(data.x[chunk]))
                yield self._model(images), _indices(data.y[chunk])

    def _normalised(self, images: torch.Tensor) -> torch.Tensor:
        if images.ndim == 4:
            images = images.permute(0, 3, 1, 2)
        return images.to(torch.float32).mul_(1 / 255).sub_(self._mean).div_(self._std)

    def _tuned_optimizer(self, settings: FitSettings) -> torch.optim.Optimizer:
        before = self._optimizer
        self._optimizer = optimizers.tuned(before, self._model.parameters(), settings)
        if before is None and self._moments:
            parameters = dict(self._model.named_parameters())
            optimizers.restore(self._optimizer, settings.optimizer, parameters, self._moments)
        return self._optimizer


def _drift(parameters: List[nn.Parameter], anchor: List[torch.Tensor]) -> torch.Tensor:
    """Return the squared distance between the parameters and where they began."""
    return torch.stack([((p - a) ** 2).sum() for p, a in zip(parameters, anchor)]).sum()


def _indices(truth: Truth) -> torch.Tensor:
    return torch.from_numpy(truth).to(torch.int64)


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
