"""How much memory a task's worker takes, roughly, before anything of it is imported.

A sum of what is known beforehand: the interpreter with its libraries; the model so many times as
there are copies of it at the worst moment; what the forward pass keeps of a batch for the backward
pass, and what testing a batch takes; the samples. The numbers of each task were
counted on its model, and a test counts them again; docs/doctor.md sets the sum beside what workers
took. Standard library only.
"""

from __future__ import annotations

from typing import NamedTuple

PLAIN_BYTES = 60 * 1000 * 1000
"""An interpreter with numpy."""
TORCH_BYTES = 300 * 1000 * 1000
"""One with torch, a CPU build, after its first step."""
FLOAT_BYTES = 4
COPIES = 5
"""Weights, gradients, the model as it came, the update, and its encoding."""
MOMENTS = {"sgd": 1, "adamw": 2}
"""Copies that the optimiser keeps: torch.optim.SGD's momentum, AdamW's two averages."""
BACKWARD, SCRATCH = 1.5, 1.6
"""Gradients of activations live beside what was kept of these, and are freed one by one; kernels
take memory for themselves besides what goes in and out."""


class Footprint(NamedTuple):
    """Of a model: float32 parameters, and bytes of activations for each sample.

    kept_bytes: what a forward pass keeps for the backward pass. tested_bytes: the most that goes
    into a layer and out of it, when nothing is kept. tested: samples that are tested at a time.
    """

    parameters: int
    kept_bytes: int
    tested_bytes: int
    tested: int = 1000


def estimate(
    model: Footprint, batch_size: int, optimizer: str, has_torch: bool, tests: bool
) -> int:
    """Return bytes that the worker takes beside its samples. tests: whether it tests the model."""
    copies = COPIES + MOMENTS.get(optimizer, max(MOMENTS.values()))
    activations = model.kept_bytes * batch_size * BACKWARD
    if tests:
        # On top: what training has freed, the process keeps (`fedbed.memory`), in other sizes.
        activations += model.tested_bytes * model.tested * SCRATCH
    libraries = TORCH_BYTES if has_torch else PLAIN_BYTES
    return int(libraries + model.parameters * FLOAT_BYTES * copies + activations)


def unet(width: int, height: int, breadth: int) -> Footprint:
    """Return that of `fedbed.tasks.unet`: everything grows with its width, or the width's square.

    height, breadth: of an image, in pixels.
    """
    pixels = height * breadth
    # At its widest: twice the width from below, joined with as much as goes out of it.
    return Footprint(527 * width**2, 78 * width * pixels, 4 * 4 * width * pixels, 16)
