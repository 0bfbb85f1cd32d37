"""The estimate of memory against the models themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from fedbed import tasks
from fedbed.tasks import footprint
from fedbed.tasks.learner import Learner

MB = 1000 * 1000
IN_TORCH = [name for name in tasks.names() if "torch" in tasks.packages(name)]
SIDE = 64


def model_of(name: str) -> tuple[nn.Module, torch.Tensor, tuple[int, ...]]:
    """A task's model, two samples for it, and the shape of one as tasks tell it."""
    args = {"classes": 4} if name == "clouds_unet" else {}
    trainer = tasks.create(name, args)
    assert isinstance(trainer, Learner)
    shape = tuple(side or SIDE for side in tasks.sample_shape(name))
    channels_first = (shape[2], *shape[:2]) if len(shape) == 3 else shape
    return trainer._build(), torch.zeros(2, *channels_first), shape


def kept_bytes(model: nn.Module, images: torch.Tensor) -> float:
    """What a forward pass keeps for the backward pass, for each sample."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        where = tensor.untyped_storage().data_ptr()
        if where not in weights:
            kept[where] = tensor  # held, so that no other takes its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = model(images)
        truth = torch.zeros(len(images), *logits.shape[2:], dtype=torch.long)
        nn.functional.cross_entropy(logits, truth)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values()) / len(images)


def carried_bytes(model: nn.Module, images: torch.Tensor) -> float:
    """The most that goes into a layer and out of it, for each sample."""
    most = 0

    def look(_module: nn.Module, given: Any, made: Any) -> None:
        nonlocal most
        most = max(most, given[0].nbytes + made.nbytes)

    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(look)
    with torch.no_grad():
        model.eval()(images)
    return most / len(images)


@pytest.mark.parametrize("name", IN_TORCH)
def test_the_numbers_are_those_of_the_model(name: str) -> None:
    model, images, shape = model_of(name)
    args = tasks.check_args(name, {})
    count = tasks._TASKS[name].footprint
    assert count is not None
    found = count(args, shape)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert found.parameters == pytest.approx(parameters, rel=0.02)
    assert found.kept_bytes == pytest.approx(kept_bytes(model, images), rel=0.05)
    assert found.tested_bytes == pytest.approx(carried_bytes(model, images), rel=0.05)


def test_every_task_has_an_estimate() -> None:
    for name in tasks.names():
        shape = [side or SIDE for side in tasks.sample_shape(name)]
        args = tasks.check_args(name, {})
        assert tasks.memory(name, args, shape, 32, "sgd", tests=True) > 50 * MB


def test_more_of_anything_takes_more() -> None:
    model = footprint.Footprint(1_000_000, 100_000, 100_000)
    least = footprint.estimate(model, 8, "sgd", has_torch=True, tests=False)
    assert least == 300 * MB + 6 * 4 * MB + 1_200_000
    assert footprint.estimate(model, 16, "sgd", True, False) > least
    assert footprint.estimate(model, 8, "adamw", True, False) > least
    assert footprint.estimate(model, 8, "sgd", True, True) > least
    assert footprint.estimate(model, 8, "sgd", False, False) < least
