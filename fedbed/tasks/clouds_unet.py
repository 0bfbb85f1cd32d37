"""Clouds and their shadows in satellite images, with a dilated U-Net (`fedbed.tasks.unet`).

134,900 float32 parameters, 0.5 MB, with `width: 16` and 4 classes; 2.1 million with `width: 64`.
"""

from __future__ import annotations

from fedbed.tasks.segmenter import Segmenter
from fedbed.tasks.unet import UNet

# Per channel, of all pixels of the 252 training images of SPARCS (false-colour photos, 256x256).
MEAN = (0.2530, 0.2990, 0.2263)
STD = (0.1510, 0.1572, 0.1866)


def create(width: int, loss: str, norm: str, classes: int) -> Segmenter:
    """Return the trainer."""
    return Segmenter(lambda: UNet(width, classes, norm), MEAN, STD, loss)
