"""The models that the app sends about: random weights in the shapes of real networks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[np.generic]]
Shapes = dict[str, tuple[int, ...]]

MLP: Shapes = {
    "fc1.weight": (200, 784),
    "fc1.bias": (200,),
    "fc2.weight": (200, 200),
    "fc2.bias": (200,),
    "fc3.weight": (10, 200),
    "fc3.bias": (10,),
}
"""199,210 parameters, 0.8 MB: the MNIST network of McMahan et al., arXiv 1602.05629."""


def initial(model: str) -> Arrays:
    """Return random weights, always the same, of `mlp`, `resnet18` or `N-bytes` (one array).

    Raises ValueError for another name.
    """
    generator = np.random.default_rng(1)
    if model == "mlp":
        return _normal(MLP, generator)
    if model == "resnet18":
        return _normal(_resnet18(), generator)
    if model.endswith("-bytes"):
        return _normal({"weight": (int(model[: -len("-bytes")]) // 4,)}, generator)
    raise ValueError(f"no model '{model}': give mlp, resnet18 or N-bytes")


def _normal(shapes: Shapes, generator: np.random.Generator) -> Arrays:
    arrays: Arrays = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            arrays[name] = np.zeros(shape, np.int64)
        else:
            arrays[name] = generator.normal(0, 0.05, shape).astype(np.float32)
    return arrays


def _resnet18() -> Shapes:
    """ResNet-18 for 10 classes of 32x32 images: 122 tensors, 11.2 million values, 44.7 MB."""
    shapes: Shapes = {"conv1.weight": (64, 3, 3, 3), **_norm("bn1", 64)}
    before = 64
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            at = f"layer{stage}.{block}"
            shapes[f"{at}.conv1.weight"] = (width, before, 3, 3)
            shapes.update(_norm(f"{at}.bn1", width))
            shapes[f"{at}.conv2.weight"] = (width, width, 3, 3)
            shapes.update(_norm(f"{at}.bn2", width))
            if before != width:
                shapes[f"{at}.downsample.0.weight"] = (width, before, 1, 1)
                shapes.update(_norm(f"{at}.downsample.1", width))
            before = width
    return {**shapes, "fc.weight": (10, 512), "fc.bias": (10,)}


def _norm(name: str, width: int) -> Shapes:
    parts = ("weight", "bias", "running_mean", "running_var")
    shapes: Shapes = {f"{name}.{part}": (width,) for part in parts}
    return {**shapes, f"{name}.num_batches_tracked": ()}
