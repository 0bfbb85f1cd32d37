"""The optimisers that tasks in torch learn with, tuned anew for every fit, and their state."""

from __future__ import annotations

import inspect
from typing import Any, Dict, Iterable, Mapping, Optional, Tuple

import numpy as np
import torch

from fedbed.tasks.trainer import Arrays, FitSettings

Parameters = Mapping[str, torch.nn.Parameter]


def _without_compiler(kind: Any) -> Any:
    """Return the optimiser without the hooks for torch.compile, which nobody here uses.

    They load the compiler before the first step: 1.8 s of a desktop's processor, 72 MB that stay.
    """
    methods = {
        name: inspect.unwrap(getattr(kind, name)) for name in ("add_param_group", "zero_grad")
    }
    methods["step"] = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), methods)


_KINDS: Dict[str, Any] = {
    "sgd": _without_compiler(torch.optim.SGD),
    "adamw": _without_compiler(torch.optim.AdamW),
}
_SLOTS: Dict[str, Tuple[str, ...]] = {
    "sgd": ("momentum_buffer",),
    "adamw": ("exp_avg", "exp_avg_sq"),
}
"""torch's names for what an optimiser remembers of each parameter."""
_SQUARES = "exp_avg_sq"
_STEPS = "step"
"""torch counts them for each parameter; here they are taken together, so they are all alike."""


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
    if settings.optimizer == "adamw":
        own = {"betas": settings.betas}
    for group in held.param_groups:
        group.update(own, lr=settings.lr, weight_decay=settings.weight_decay)
    return held


def state(held: Optional[torch.optim.Optimizer], name: str, parameters: Parameters) -> Arrays:
    """Return what the optimiser `name` remembers, float32: `slot/parameter`; adamw's `step` [1].

    held: None stands for one that has made no step yet, whose state is all zeros.
    """
    states: Mapping[Any, Mapping[str, Any]] = {} if held is None else held.state
    found: Arrays = {}
    for slot in _SLOTS[name]:
        for key, parameter in parameters.items():
            value = states.get(parameter, {}).get(slot)
            value = torch.zeros_like(parameter) if value is None else value
            found[f"{slot}/{key}"] = value.detach().cpu().numpy().copy()
    if name == "adamw":
        counts = [float(each[_STEPS]) for each in states.values() if _STEPS in each]
        found[_STEPS] = np.array([max(counts, default=0.0)], np.float32)
    return found


def restore(
    held: torch.optim.Optimizer, name: str, parameters: Parameters, arrays: Mapping[str, Any]
) -> None:
    """Give a new optimiser what `state` has returned; an average of states will do as well.

    Averages that lossy codecs or a strategy's steps have pushed below 0 are taken for 0 where no
    square can be. KeyError where an array is missing.
    """
    for key, parameter in parameters.items():
        own: Dict[str, Any] = {
            # In the parameter's own order in memory, or each step would go across one of them.
            slot: torch.empty_like(parameter, requires_grad=False).copy_(
                torch.from_numpy(np.array(arrays[f"{slot}/{key}"], np.float32))
            )
            for slot in _SLOTS[name]
        }
        if name == "adamw":
            own[_SQUARES].clamp_(min=0)
            own[_STEPS] = torch.tensor(max(0.0, float(arrays[_STEPS][0])))
        held.state[parameter] = own
