from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fedbed.data import pixels
from fedbed.errors import DataError
from tests.fedbed.data.painting import encoded

COLOUR = np.random.RandomState(5).randint(0, 256, (9, 7, 3)).astype(np.uint8)
CLASSES = np.random.RandomState(6).randint(0, 4, (9, 7)).astype(np.uint8)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_pixels_come_as_they_were_written(form: str) -> None:
    assert np.array_equal(pixels.image(encoded(COLOUR, form), "a"), COLOUR)
    assert np.array_equal(pixels.mask(encoded(CLASSES, form), "a"), CLASSES)


def test_grey_images_are_made_rgb() -> None:
    grey = COLOUR[..., 0]
    assert np.array_equal(pixels.image(encoded(grey), "a"), np.stack([grey] * 3, axis=-1))
    assert pixels.image(encoded(COLOUR, "JPEG"), "a").shape == (9, 7, 3)


def test_a_palette_s_numbers_are_the_classes() -> None:
    picture = Image.fromarray(CLASSES).convert("P")
    picture.putdata([int(v) for v in CLASSES.ravel()])
    picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])
    out = io.BytesIO()
    picture.save(out, "PNG")
    assert np.array_equal(pixels.mask(out.getvalue(), "a"), CLASSES)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    """A few kilobytes that would unpack to width x height pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def saved(picture: Any, form: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(Image.fromarray(COLOUR), "JPEG", exif=exif)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "a.png: is no picture in PNG, JPEG, TIFF"),
        (b"hello", "a.png: is no picture in"),
        (encoded(COLOUR, "GIF"), "a.png: is no picture in"),
        (encoded(COLOUR)[:-40], "a.png: is damaged: "),
        (bomb(5000, 5000), "a.png: has 5000x5000 pixels, allowed are 16777216 in all"),
        (bomb(60_000, 60_000), "a.png: is damaged: Image size .3600000000 pixels. exceeds"),
        (saved(Image.new("RGBA", (3, 3))), "a.png: its pixels are of mode 'RGBA': save it as"),
        (saved(Image.new("I;16", (3, 3))), "a.png: its pixels are of mode 'I;16'"),
        (turned(), "a.png: an EXIF note .orientation 6. turns it"),
        (
            saved(Image.new("L", (3, 3)), "TIFF", save_all=True,
                  append_images=[Image.new("L", (3, 3))]),
            "a.png: holds several pictures",
        ),
    ],
)  # fmt: skip
def test_images_that_will_not_do(data: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        pixels.image(data, "a.png")
    assert "\n" not in str(caught.value)


def test_masks_have_one_channel() -> None:
    with pytest.raises(DataError, match=r"m.png: a mask has one channel .* is of mode 'RGB'"):
        pixels.mask(encoded(COLOUR), "m.png")


def test_a_file_beyond_the_limit_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "MAX_FILE_BYTES", 10)
    with pytest.raises(DataError, match="a: is larger than"):
        pixels.image(encoded(COLOUR), "a")
