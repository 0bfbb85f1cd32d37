"""Learning tasks that run on a node with numpy (and torch, where the task says so) alone.

Adding a task is one module here with a `create() -> Trainer` function, and one line in `_MODULES`.
Modules are imported on demand: the numpy task must not pay for torch.
"""

from __future__ import annotations

import difflib
import importlib
from typing import List

from fedbed.errors import ExperimentError, RequirementMissing
from fedbed.tasks.trainer import Arrays, FitSettings, Trainer

__all__ = ["Arrays", "FitSettings", "Trainer", "create", "names", "packages"]

_MODULES = {
    "mnist_mlp": "fedbed.tasks.mnist_mlp",
    "mnist_softmax": "fedbed.tasks.mnist_softmax",
}
_NEEDS = {"mnist_softmax": ["numpy"]}


def names() -> List[str]:
    """Names that an experiment file may give as its task."""
    return sorted(_MODULES)


def packages(name: str) -> List[str]:
    """Packages that a node needs in its worker's interpreter to run the task."""
    return _NEEDS.get(name, ["numpy", "torch"])


def create(name: str) -> Trainer:
    """Return a trainer for the task `name`.

    Raises ExperimentError for an unknown task, RequirementMissing where a package isn't installed.
    """
    if name not in _MODULES:
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise ExperimentError(f"unknown task '{name}'{hint} (known: {', '.join(names())})")
    try:
        module = importlib.import_module(_MODULES[name])
    except ImportError as error:
        raise RequirementMissing(
            f"task '{name}' needs the package '{error.name}': install fedbed[train] "
            "in the interpreter that runs the worker"
        ) from error
    trainer: Trainer = module.create()
    return trainer
