"""Draws samples of a data set side by side: images with their labels, or beside their masks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fedbed.data import Split
from fedbed.errors import UsageError
from fedbed.reporting.palette import colour

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CELL = 1.25  # inches of one picture
_COLUMNS_LABELS = 8
_COLUMNS_MASKS = 4


def choose(split: Split, count: int, seed: int) -> list[int]:
    """Choose up to `count` samples at random, in turn of every class that leads one, sorted.

    With masks, a sample's class is its rarest one of at least 2 % of the pixels, so that rare
    classes are seen; with labels it is its label.
    """
    leads = split.labels if split.y.ndim == 1 else _rarest(split.y)
    order = np.random.RandomState(seed).permutation(len(split))
    queues = [[int(i) for i in order if leads[i] == label] for label in np.unique(leads)]
    chosen: list[int] = []
    while len(chosen) < min(count, len(split)):
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append(queue.pop(0))
    return sorted(chosen, key=lambda i: (int(leads[i]), i))


def draw(split: Split, classes: tuple[str, ...], title: str, chosen: list[int]) -> Any:
    """Return a matplotlib figure of these samples."""
    import matplotlib
    from matplotlib.figure import Figure

    masked = split.y.ndim == 3
    columns = min(_COLUMNS_MASKS if masked else _COLUMNS_LABELS, len(chosen))
    rows = -(-len(chosen) // columns)
    with matplotlib.rc_context({"font.size": 8, "font.family": ["DejaVu Sans"]}):
        aspect = split.x.shape[1] / split.x.shape[2]
        width = columns * _CELL * (2 if masked else 1) + 0.2
        height = rows * (_CELL * aspect + 0.22) + (0.8 if masked else 0.4)
        figure = Figure(figsize=(max(width, 4), height), dpi=150, layout="constrained")
        figure.suptitle(title, fontsize=10, x=0.01, ha="left")
        grid = figure.subplots(rows, columns * (2 if masked else 1), squeeze=False)
        for axes in grid.ravel():
            axes.set_axis_off()
        for place, index in enumerate(chosen):
            row, column = divmod(place, columns)
            if masked:
                _image(grid[row][2 * column], split.x[index], _caption(split, index))
                _mask(grid[row][2 * column + 1], split.y[index])
            else:
                _image(grid[row][column], split.x[index], classes[int(split.y[index])])
        if masked:
            _legend(figure, classes, split)
    return figure


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG; UsageError where that can't be."""
    try:
        figure.savefig(path, format="png", metadata={"Software": None})
    except OSError as error:
        raise UsageError(f"can't write '{path}' ({error.strerror or error})") from error


def colours(count: int) -> NDArray[np.uint8]:
    """Colour of each class, uint8 [count, 3]."""
    found = [[int(colour(number)[i : i + 2], 16) for i in (1, 3, 5)] for number in range(count)]
    return np.array(found, np.uint8)


def _rarest(masks: NDArray[np.integer]) -> NDArray[np.int64]:
    flat = masks.reshape(len(masks), -1)
    most = int(masks.max()) + 1
    counts = np.stack([(flat == label).sum(axis=1) for label in range(most)], axis=1)
    whole = counts.sum(axis=0)
    rare = np.where(counts >= 0.02 * flat.shape[1], whole, whole.sum() + 1)
    found: NDArray[np.int64] = rare.argmin(axis=1).astype(np.int64)
    return found


def _caption(split: Split, index: int) -> str:
    group = "" if split.groups is None else f", group {int(split.groups[index])}"
    return f"{index}{group}"


def _image(axes: Any, picture: NDArray[np.uint8], caption: str) -> None:
    if picture.ndim == 2:
        axes.imshow(picture, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
    else:
        axes.imshow(picture, interpolation="nearest")
    axes.set_title(caption, fontsize=7, pad=2, loc="left", color="#555555")


def _mask(axes: Any, mask: NDArray[np.integer]) -> None:
    axes.imshow(colours(256)[mask], interpolation="nearest")


def _legend(figure: Any, classes: tuple[str, ...], split: Split) -> None:
    from matplotlib.patches import Patch

    pixels = np.bincount(split.y.ravel(), minlength=len(classes))
    handles = [
        Patch(
            facecolor=colours(len(classes))[number] / 255,
            label=f"{name} {100 * int(pixels[number]) / split.y.size:.1f} %",
        )
        for number, name in enumerate(classes)
    ]
    figure.legend(
        handles=handles, loc="outside lower left", ncols=min(len(classes), 5), frameon=False
    )
