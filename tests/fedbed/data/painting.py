"""Picture files for tests, and a small data set of them with its card."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = 16
CARD = """
name: toy
title: A toy
kind: pictures
source: drawn by a test
licence: none
classes: [ground, cloud, shadow]
shapes:
  train: [6, 16, 16, 3]
  test: [2, 16, 16, 3]
dtype: uint8
pictures:
  manifest: SHA256SUMS
  sha256: {sha256}
  bytes: 1
  groups: {{index: index.csv, column: scene}}
"""


def encoded(array: Any, form: str = "PNG", **options: Any) -> bytes:
    """A picture file with these pixels: uint8 [h, w] or [h, w, 3]."""
    out = io.BytesIO()
    Image.fromarray(np.asarray(array, np.uint8)).save(out, form, **options)
    return out.getvalue()


def paint(folder: Path, names: list[str], seed: int = 1, classes: int = 3) -> None:
    """Put an image and a mask of each name into `folder`; each mask holds every class."""
    rng = np.random.RandomState(seed)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for name in names:
        mask = rng.randint(0, classes, (SIZE, SIZE))
        mask[0, :classes] = range(classes)
        image = rng.randint(0, 256, (SIZE, SIZE, 3))
        (folder / "images" / f"{name}.png").write_bytes(encoded(image))
        (folder / "masks" / f"{name}.png").write_bytes(encoded(mask))


def toy(folder: Path) -> None:
    """Make `folder` a data set of pictures in the user's own manner: 8 pairs in 4 scenes."""
    train = [f"{scene}_{patch}" for scene in "abc" for patch in range(2)]
    test = ["d_0", "d_1"]
    paint(folder / "train", train)
    paint(folder / "test", test, seed=2)
    rows = [f"{name}.png,{name[0]}" for name in train + test]
    (folder / "index.csv").write_text("\n".join(["file,scene", *rows]) + "\n")
    seal(folder)


def seal(folder: Path) -> None:
    """Write the manifest of what lies in `folder`, and the card with its hash."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("SHA256SUMS", "card.yaml")
    ]
    (folder / "SHA256SUMS").write_text("".join(lines))
    digest = hashlib.sha256((folder / "SHA256SUMS").read_bytes()).hexdigest()
    (folder / "card.yaml").write_text(CARD.format(sha256=digest))


def pixels_of(path: Path) -> Any:
    """What Pillow itself reads."""
    return np.asarray(Image.open(path))
