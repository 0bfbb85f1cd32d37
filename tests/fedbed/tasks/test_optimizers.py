"""Optimisers: torch's own steps, without the compiler that torch would load for them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from fedbed.tasks.optimizers import tuned
from fedbed.tasks.trainer import FitSettings


def settings(name: str, lr: float) -> FitSettings:
    return FitSettings(
        samples=8, batch_size=4, lr=lr, seed=1, momentum=0.9, weight_decay=0.01, optimizer=name
    )


@pytest.mark.parametrize(
    ("name", "kind", "own"),
    [
        ("sgd", torch.optim.SGD, {"momentum": 0.9}),
        ("adamw", torch.optim.AdamW, {"betas": (0.9, 0.999)}),
    ],
)
def test_steps_are_those_of_torch(name: str, kind: Any, own: dict[str, Any]) -> None:
    theirs, ours = (torch.nn.Parameter(torch.linspace(-1, 1, 6)) for _ in range(2))
    reference = kind([theirs], lr=0.1, weight_decay=0.01, **own)
    held = None
    for rate in (0.1, 0.1, 0.03):
        held = tuned(held, [ours], settings(name, rate))
        reference.param_groups[0]["lr"] = rate
        for parameter, optimizer in ((theirs, reference), (ours, held)):
            optimizer.zero_grad()
            (parameter**3).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        assert torch.equal(theirs, ours)


def test_an_unknown_one_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown optimiser 'lion'"):
        tuned(None, [torch.nn.Parameter(torch.zeros(1))], settings("lion", 0.1))


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_node_that_trains_does_not_load_the_compiler(name: str) -> None:
    code = f"""if True:
        import sys
        import numpy as np
        from fedbed import tasks
        from fedbed.data.dataset import Split
        trainer = tasks.create("mnist_mlp")
        trainer.load(trainer.initial(1))
        split = Split(np.zeros((8, 28, 28), np.uint8), np.zeros(8, np.int64))
        settings = tasks.FitSettings(samples=8, batch_size=4, lr=0.1, seed=1, optimizer={name!r})
        trainer.fit(split, settings, lambda _share: None)
        print("torch" in sys.modules, "torch._dynamo" in sys.modules)
        """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
