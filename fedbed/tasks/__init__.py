"""Learning tasks that run on a node with numpy (and torch, where the task says so) alone.

Adding a task is one module here with a `create() -> Trainer` function, and one line in `_TASKS`;
docs/tasks.md walks through it. Modules are imported on demand: the numpy task must not pay for
torch.
"""

from __future__ import annotations

import difflib
import importlib
from typing import Dict, List, NamedTuple, Tuple

from fedbed.errors import ExperimentError, RequirementMissing
from fedbed.tasks.trainer import Arrays, FitSettings, Trainer

__all__ = [
    "Arrays",
    "FitSettings",
    "Trainer",
    "create",
    "names",
    "packages",
    "sample_shape",
    "wants",
]


class _Task(NamedTuple):
    """Where a task's code is, the shape of one sample, and the packages that it needs.

    wants: what it learns from, labels or masks.
    """

    module: str
    shape: Tuple[int, ...]
    needs: Tuple[str, ...] = ("numpy", "torch")
    wants: str = "labels"


_TASKS: Dict[str, _Task] = {
    "cifar10_resnet18": _Task("fedbed.tasks.cifar10_resnet18", (32, 32, 3)),
    "cifar10_resnet50": _Task("fedbed.tasks.cifar10_resnet50", (32, 32, 3)),
    "mnist_mlp": _Task("fedbed.tasks.mnist_mlp", (28, 28)),
    "mnist_softmax": _Task("fedbed.tasks.mnist_softmax", (28, 28), ("numpy",)),
}


def names() -> List[str]:
    """Names that an experiment file may give as its task."""
    return sorted(_TASKS)


def packages(name: str) -> List[str]:
    """Packages that a node needs in its worker's interpreter to run the task."""
    return list(_TASKS[name].needs) if name in _TASKS else ["numpy", "torch"]


def sample_shape(name: str) -> Tuple[int, ...]:
    """Shape of one sample that the task takes: (height, width) or (height, width, channels).

    Imports nothing. Raises ExperimentError for an unknown task.
    """
    return _known(name).shape


def wants(name: str) -> str:
    """Return what a task learns from: 'labels', one per image, or 'masks', one class per pixel.

    Imports nothing. Raises ExperimentError for an unknown task.
    """
    return _known(name).wants


def create(name: str) -> Trainer:
    """Return a trainer for the task `name`.

    Raises ExperimentError for an unknown task, RequirementMissing where a package isn't installed.
    """
    try:
        module = importlib.import_module(_known(name).module)
    except ImportError as error:
        raise RequirementMissing(
            f"task '{name}' needs the package '{error.name}': install fedbed[train] "
            "in the interpreter that runs the worker"
        ) from error
    trainer: Trainer = module.create()
    return trainer


def _known(name: str) -> _Task:
    if name not in _TASKS:
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise ExperimentError(f"unknown task '{name}'{hint} (known: {', '.join(names())})")
    return _TASKS[name]
