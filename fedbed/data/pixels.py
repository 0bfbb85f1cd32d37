"""Reader of picture files (PNG, JPEG, TIFF) that nobody vouches for, by Pillow.

Pillow tells a picture's extent before it unpacks it, so that a file of some kilobytes can't ask
for gigabytes of memory.
"""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Iterator

import numpy as np

from fedbed.errors import DataError, RequirementMissing

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "TIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
MASK_SUFFIXES = (".png", ".tif", ".tiff")
"""Not JPEG, which blurs the borders between classes."""
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 4096 * 4096
_ORIENTATION = 0x0112  # EXIF: how the camera was held
_COLOUR = ("RGB", "L")
_SINGLE = ("L", "P", "1")  # a palette's numbers are the classes, its colours are not looked at


def image(data: bytes, name: str) -> NDArray[np.uint8]:
    """Pixels of an image in RGB, uint8 [height, width, 3]; grey ones are made RGB.

    `name` stands for the file in errors. DataError if it is none of the formats, damaged, too
    large, of several pages, turned by an EXIF note, or neither 8-bit RGB nor 8-bit grey.
    """
    with _opened(data, name) as picture:
        if picture.mode not in _COLOUR:
            raise DataError(
                f"{name}: its pixels are of mode {picture.mode!r}: save it as 8-bit RGB or grey"
            )
        turned = picture.getexif().get(_ORIENTATION, 1)
        if turned != 1:
            raise DataError(
                f"{name}: an EXIF note (orientation {turned}) turns it, which its mask doesn't "
                "know: save it upright, without the note"
            )
        return np.array(picture.convert("RGB"), np.uint8)


def mask(data: bytes, name: str) -> NDArray[np.uint8]:
    """Classes of a mask's pixels, uint8 [height, width]; DataError as `image`, but single-channel.

    Of a picture with a palette, the classes are the palette's numbers.
    """
    with _opened(data, name) as picture:
        if picture.mode not in _SINGLE:
            raise DataError(
                f"{name}: a mask has one channel of 8 bits, each pixel the number of its class; "
                f"this one is of mode {picture.mode!r}"
            )
        return np.array(picture, np.uint8)


@contextmanager
def _opened(data: bytes, name: str) -> Iterator[Image]:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise RequirementMissing(
            "data sets of pictures need the package pillow: pip install 'fedbed[train]'"
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise DataError(f"{name}: is larger than {MAX_FILE_BYTES >> 20} MiB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes: ours are smaller than Pillow's
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                _bounded(picture, name)
                picture.load()
                yield picture
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"{name}: is no picture in {', '.join(FORMATS)}") from error
    except Exception as error:
        # Pillow's decoders raise whatever they stumble on: OSError, SyntaxError, struct.error...
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{name}: is damaged: {reason}") from error


def _bounded(picture: Image, name: str) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise DataError(
            f"{name}: has {width}x{height} pixels, allowed are {MAX_PIXELS} in all: "
            "cut it into tiles"
        )
    try:
        picture.seek(1)
    except EOFError:
        picture.seek(0)
        return
    raise DataError(f"{name}: holds several pictures: save them one by one")
