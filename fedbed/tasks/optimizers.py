"""The optimisers that tasks in torch learn with, tuned anew for every fit."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Optional

import torch

from fedbed.tasks.trainer import FitSettings

_KINDS: Dict[str, Any] = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}


def tuned(
    held: Optional[torch.optim.Optimizer],
    parameters: Iterable[torch.nn.Parameter],
    settings: FitSettings,
) -> torch.optim.Optimizer:
    """Return the optimiser that the settings ask for, at their rates.

    held: the one of the last fit, which keeps its state (momentum, moments); None, or one of
    another kind, for a new one. sgd: torch.optim.SGD, weight decay as an L2 penalty; adamw:
    torch.optim.AdamW, weight decay apart from the gradient (Loshchilov & Hutter, arXiv 1711.05101).
    ValueError for anything else.
    """
    kind = _KINDS.get(settings.optimizer)
    if kind is None:
        raise ValueError(f"unknown optimiser '{settings.optimizer}' (known: {', '.join(_KINDS)})")
    if held is None or type(held) is not kind:
        made: torch.optim.Optimizer = kind(parameters, lr=settings.lr)
        held = made
    own: Dict[str, Any] = {"momentum": settings.momentum}
    if kind is torch.optim.AdamW:
        own = {"betas": settings.betas}
    for group in held.param_groups:
        group.update(own, lr=settings.lr, weight_decay=settings.weight_decay)
    return held
