"""The section on classes: how well each is recognised, what it is taken for, and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from coordinator.report import png
from fedbed.reporting import wording
from fedbed.reporting.palette import colour
from fedbed.reporting.reading import Row, items, mapping, text
from fedbed.reporting.wording import Shown
from fedbed.tasks import measures

Predictions = Mapping[str, Any]

SIDES = ("federated", "centralised")
MOST_CLASSES = 20
"""Of more classes, a matrix would be no help."""
LARGEST = 128
"""Pixels of a picture's longer side at most: larger ones are thinned out."""


@dataclass
class Cell:
    """A count, and its share of the row: of what is true, what was taken for this class."""

    count: Shown
    share: str
    depth: float


@dataclass
class Heat:
    """A confusion matrix: a row per true class."""

    side: str
    classes: list[str]
    lines: list[tuple[str, list[Cell]]]


@dataclass
class Picture:
    """One picture: what it is, its address, and how much of it is right."""

    title: str
    address: str
    right: str = ""


@dataclass
class Classes:
    """What is known class by class."""

    of_pixels: bool = False
    heads: list[str] = field(default_factory=list)
    lines: list[list[Shown | str]] = field(default_factory=list)
    heats: list[Heat] = field(default_factory=list)
    pictures: list[list[Picture]] = field(default_factory=list)
    """A row per sample: image, truth, and what each side predicts."""
    legend: list[tuple[str, str]] = field(default_factory=list)
    """Colour and name of the classes in the pictures."""


def build(result: Row, predictions: Predictions) -> Classes:
    """Gather matrices and pictures; what is missing or odd is left out."""
    given = mapping(result.get("confusion"))
    matrices = {side: m for side in SIDES if (m := _matrix(given.get(side))) is not None}
    size = max((len(matrix) for matrix in matrices.values()), default=0)
    matrices = {side: matrix for side, matrix in matrices.items() if len(matrix) == size}
    of_pixels = wording.metric_of(result) == "mean_iou"
    names = _names(result, size)
    if not matrices or size > MOST_CLASSES:
        return Classes(of_pixels)
    heads, lines = _table(matrices, names, of_pixels)
    pictures, used = _pictures(predictions)
    return Classes(
        of_pixels,
        heads,
        lines,
        [_heat(side, matrix, names) for side, matrix in matrices.items()],
        pictures,
        [(colour(number), names[number]) for number in used if number < size],
    )


def _matrix(given: object) -> Any:
    rows = [items(row) for row in items(given)]
    if not rows or any(len(row) != len(rows) for row in rows):
        return None
    return measures.square([count for row in rows for count in row])


def _names(result: Row, size: int) -> list[str]:
    known = [text(name) for name in items(result.get("classes"))][:size]
    return [name.replace("_", " ") for name in known] + [
        f"class {number}" for number in range(len(known), size)
    ]


def _table(
    matrices: Mapping[str, Any], names: list[str], of_pixels: bool
) -> tuple[list[str], list[list[Shown | str]]]:
    first = next(iter(matrices.values()))
    counts = [int(count) for count in first.sum(axis=1)]
    total = sum(counts) or 1
    found = (
        [("IoU", measures.iou), ("Dice", measures.dice)]
        if of_pixels
        else [("recognised", measures.recall)]
    )
    columns = [
        (f"{word}, {side}", measure(matrix))
        for word, measure in found
        for side, matrix in matrices.items()
    ]
    heads = ["class", "share of pixels" if of_pixels else "test samples"]
    lines: list[list[Shown | str]] = []
    for number, name in enumerate(names):
        size = _percent(counts[number] / total) if of_pixels else wording.plain(counts[number])
        figures = [_percent(values[number]) for _, values in columns]
        lines.append([name, size or "", *figures])
    if of_pixels:
        means = [_percent(measures.mean(values)) for _, values in columns]
        lines.append(["mean over classes", "", *means])
    return [*heads, *(head for head, _ in columns)], lines


def _percent(value: float | None) -> Shown | str:
    """Show a share; nothing where a class is nowhere."""
    return "-" if value is None else Shown(repr(value), f"{value * 100:.1f}\u202f%")


def _heat(side: str, matrix: Any, names: list[str]) -> Heat:
    lines = []
    for name, row in zip(names, matrix.tolist(), strict=True):
        total = sum(row) or 1
        cells = [_cell(count, count / total) for count in row]
        lines.append((name, cells))
    return Heat(side, names, lines)


def _cell(count: int, share: float) -> Cell:
    shown = f"{share * 100:.0f}" if share in (0, 1) else f"{share * 100:.1f}"
    return Cell(Shown(repr(count), f"{count:,}"), shown, round(share, 3))


def _pictures(predictions: Predictions) -> tuple[list[list[Picture]], list[int]]:
    """Return the rows of pictures, and which classes occur in them."""
    images, truth = predictions.get("images"), predictions.get("truth")
    if images is None or truth is None:
        return [], []
    sides = [side for side in SIDES if side in predictions]
    step = -(-max(truth.shape[1:]) // LARGEST)
    rows = []
    for place, numbered in enumerate(predictions["index"]):
        true = truth[place]
        row = [
            Picture(f"test image {int(numbered)}", png.image(images[place, ::step, ::step])),
            Picture("truth", png.mask(true[::step, ::step])),
        ]
        for side in sides:
            said = predictions[side][place]
            share = f"{np.mean(said == true) * 100:.1f}\u202f% of pixels right"
            row.append(Picture(side, png.mask(said[::step, ::step]), share))
        rows.append(row)
    seen = [truth, *(predictions[side] for side in sides)]
    return rows, sorted({int(number) for part in seen for number in np.unique(part)})
