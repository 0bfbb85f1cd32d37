"""Learning tasks that run on a node with numpy (and torch, where the task says so) alone.

Adding a task is one module here with a `create(...) -> Trainer` function, and one line in `_TASKS`;
docs/tasks.md walks through it. Modules are imported on demand: the numpy task must not pay for
torch.
"""

from __future__ import annotations

import difflib
import importlib
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from fedbed.errors import ExperimentError, RequirementMissing
from fedbed.tasks import footprint
from fedbed.tasks.arguments import Argument, ArgumentError, Choice, Whole, complete
from fedbed.tasks.footprint import Footprint
from fedbed.tasks.trainer import Arrays, FitSettings, Metrics, Trainer

__all__ = [
    "Argument",
    "ArgumentError",
    "Arrays",
    "FitSettings",
    "Metrics",
    "Trainer",
    "arguments",
    "check_args",
    "create",
    "fits",
    "memory",
    "metric",
    "names",
    "optimizer_names",
    "packages",
    "sample_shape",
    "shape_text",
    "wants",
    "with_classes",
]

Shape = Tuple[Optional[int], ...]


class _Task(NamedTuple):
    """What is known of a task before its code is imported.

    shape: of one sample, (height, width) or (height, width, channels); None stands for any extent
    that `divisor` divides. wants: labels or masks. needs: the packages that it runs on.
    arguments: those of its `create`, by name. footprint: of its model, by these arguments and the
    shape of a sample; None where nobody has counted.
    """

    module: str
    shape: Shape
    needs: Tuple[str, ...] = ("numpy", "torch")
    wants: str = "labels"
    arguments: Mapping[str, Argument] = {}
    optimizers: Tuple[str, ...] = ("sgd", "adamw")
    divisor: int = 1
    footprint: Optional[Callable[[Mapping[str, Any], Sequence[int]], Footprint]] = None


def _fixed(
    parameters: int, kept_bytes: int, tested_bytes: int, tested: int = 1000
) -> Callable[[Mapping[str, Any], Sequence[int]], Footprint]:
    found = Footprint(parameters, kept_bytes, tested_bytes, tested)
    return lambda _args, _shape: found


_UNET: Dict[str, Argument] = {
    "width": Whole(16, 4, 256, "Channels at full size; 16: 135 k parameters, 64: 2.1 million."),
    "loss": Choice("dice", ("dice", "dice_ce", "ce"), "Soft dice, cross-entropy or their sum."),
    "norm": Choice("group", ("group", "batch"), "Normalisation, by groups of channels or batches."),
    "classes": Whole(None, 2, 255, "Classes of pixels.", of="as many as the data set has"),
}

_TASKS: Dict[str, _Task] = {
    "cifar10_resnet18": _Task(
        "fedbed.tasks.cifar10_resnet18",
        (32, 32, 3),
        footprint=_fixed(11_173_962, 4_740_000, 525_000, 100),
    ),
    "cifar10_resnet50": _Task(
        "fedbed.tasks.cifar10_resnet50",
        (32, 32, 3),
        footprint=_fixed(23_520_842, 25_800_000, 2_100_000, 100),
    ),
    "clouds_unet": _Task(
        "fedbed.tasks.clouds_unet",
        (None, None, 3),
        wants="masks",
        arguments=_UNET,
        divisor=4,
        footprint=lambda args, shape: footprint.unet(int(args["width"]), shape[0], shape[1]),
    ),
    "mnist_cnn": _Task(
        "fedbed.tasks.mnist_cnn", (28, 28), footprint=_fixed(1_663_370, 270_000, 201_000)
    ),
    "mnist_cnn_light": _Task(
        "fedbed.tasks.mnist_cnn_light", (28, 28), footprint=_fixed(11_274, 32_000, 26_000)
    ),
    "mnist_mlp": _Task("fedbed.tasks.mnist_mlp", (28, 28), footprint=_fixed(199_210, 4800, 6400)),
    "mnist_softmax": _Task(
        "fedbed.tasks.mnist_softmax",
        (28, 28),
        needs=("numpy",),
        optimizers=("sgd",),
        footprint=_fixed(7850, 3200, 6400),
    ),
}


def names() -> List[str]:
    """Names that an experiment file may give as its task."""
    return sorted(_TASKS)


def packages(name: str) -> List[str]:
    """Packages that a node needs in its worker's interpreter to run the task."""
    return list(_TASKS[name].needs) if name in _TASKS else ["numpy", "torch"]


def memory(
    name: str,
    args: Mapping[str, Any],
    shape: Sequence[int],
    batch_size: int,
    optimizer: str,
    tests: bool,
) -> int:
    """Return about how many bytes a worker takes that trains the task; 0 if that isn't known.

    args: all of the task's arguments. shape: of one sample. tests: whether it tests the model, too.
    Its samples come on top of that.
    """
    task = _known(name)
    if task.footprint is None:
        return 0
    found = task.footprint(args, shape)
    return footprint.estimate(found, batch_size, optimizer, "torch" in task.needs, tests)


def wants(name: str) -> str:
    """Return what a task learns from: 'labels', one per image, or 'masks', one class per pixel.

    Raises ExperimentError for an unknown task, as all that follow do.
    """
    return _known(name).wants


def metric(name: str) -> str:
    """Return the metric that a task's runs are judged by: 'accuracy' or 'mean_iou'."""
    return "mean_iou" if wants(name) == "masks" else "accuracy"


def optimizer_names(name: str) -> List[str]:
    """Names of the optimisers that a task can learn with."""
    return list(_known(name).optimizers)


def sample_shape(name: str) -> Shape:
    """Shape of one sample that the task takes: (height, width) or (height, width, channels).

    None stands for an extent that may vary; `fits` knows which.
    """
    return _known(name).shape


def fits(name: str, shape: Sequence[int]) -> bool:
    """Whether the task takes samples of this shape."""
    task = _known(name)
    return len(shape) == len(task.shape) and all(
        has % task.divisor == 0 if takes is None else has == takes
        for has, takes in zip(shape, task.shape)
    )


def shape_text(name: str) -> str:
    """Say which samples the task takes: '28x28', or 'HxWx3 with H and W divisible by 4'."""
    task = _known(name)
    letters = iter("HW")
    extents = [next(letters) if extent is None else str(extent) for extent in task.shape]
    rest = f" with H and W divisible by {task.divisor}" if task.divisor > 1 else ""
    return "x".join(extents) + rest


def arguments(name: str) -> Dict[str, Argument]:
    """Arguments that an experiment file may give the task, by name."""
    return dict(_known(name).arguments)


def check_args(name: str, args: Mapping[str, Any]) -> Dict[str, Any]:
    """Return all arguments of the task, those left out of `args` with their defaults.

    Raises ArgumentError for an argument that the task doesn't have or a value that it doesn't take.
    """
    return complete(name, _known(name).arguments, args)


def with_classes(name: str, args: Mapping[str, Any], classes: Optional[int]) -> Dict[str, Any]:
    """Return all arguments, the number of classes filled in from the data set's.

    classes: None where the data set isn't known. Raises ArgumentError where the file says nothing
    either, or says that there are fewer than the data set has.
    """
    found = check_args(name, args)
    if "classes" not in found:
        return found
    if found["classes"] is None:
        if classes is None:
            text = "must be given where nodes bring data of their own"
            raise ArgumentError(text, name, "classes")
        found["classes"] = classes
    elif classes is not None and found["classes"] < classes:
        text = f"{found['classes']} are too few; the data set has {classes}"
        raise ArgumentError(text, name, "classes")
    return found


def create(name: str, args: Optional[Mapping[str, Any]] = None) -> Trainer:
    """Return a trainer for the task `name` with these arguments, and defaults for the others.

    Raises ExperimentError for an unknown task or argument, RequirementMissing where a package isn't
    installed.
    """
    complete_args = with_classes(name, args or {}, None)
    try:
        module = importlib.import_module(_known(name).module)
    except ImportError as error:
        raise RequirementMissing(
            f"task '{name}' needs the package '{error.name}': install fedbed[train] "
            "in the interpreter that runs the worker"
        ) from error
    trainer: Trainer = module.create(**complete_args)
    return trainer


def _known(name: str) -> _Task:
    if name not in _TASKS:
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise ExperimentError(f"unknown task '{name}'{hint} (known: {', '.join(names())})")
    return _TASKS[name]
