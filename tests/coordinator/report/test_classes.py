"""The section on classes: figures from the matrices, heat maps, pictures in a small page."""

from __future__ import annotations

import base64
import copy
import io
import re
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from coordinator.report import classes, png, render
from fedbed.reporting import palette
from tests.coordinator.report import samples
from tests.coordinator.report.test_page import read


def pixels(address: str) -> Any:
    """Return what a browser makes of a picture's address: uint8 [h, w, 3] or [h, w]."""
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    return np.rint(matplotlib.image.imread(io.BytesIO(data), "png") * 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(5, 7, 3), (6, 4)])
def test_pictures_are_what_they_were(shape: tuple[int, ...]) -> None:
    given = np.random.RandomState(1).randint(0, 256, shape).astype(np.uint8)
    assert np.array_equal(pixels(png.image(given)), given)


def test_masks_have_the_colours_of_their_classes() -> None:
    mask = np.array([[0, 1], [12, 255]], np.uint8)
    found = pixels(png.mask(mask))[..., :3]
    wanted = [[tuple(bytes.fromhex(palette.colour(int(c))[1:])) for c in row] for row in mask]
    assert found.tolist() == [[list(colour) for colour in row] for row in wanted]
    assert len({palette.colour(number) for number in range(20)}) == 20


def test_a_run_on_masks_shows_ious_matrices_and_pictures() -> None:
    result, predictions = samples.segmentation()
    page = render(result, predictions)
    reader = read(page)
    assert len(page.encode()) < 500_000
    assert page == render(copy.deepcopy(result), dict(predictions))
    assert "Class by class" in re.findall(r"<h2>(.*?)</h2>", page)
    assert reader.tags.count("img") == 4 * 4
    assert all(address.startswith(("#", "data:")) for address in reader.addresses)
    flat = [count for side in result["confusion"].values() for row in side for count in row]
    assert {repr(count) for count in flat} <= set(reader.values)
    text = " ".join(reader.text.split())
    assert "federated mean IoU" in text
    assert "points of mean IoU" in text
    assert "Mean IoU" in re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert "thin cloud" in text
    assert "clouds_unet (width 16, loss dice)" in text
    assert "test image 31" in text
    assert "mean IoU, last test" in text
    right = np.mean(predictions["federated"][0] == predictions["truth"][0])
    assert f"{right * 100:.1f}\u202f% of pixels right" in reader.text


def test_figures_are_those_of_the_matrix() -> None:
    result, _ = samples.segmentation()
    result["confusion"] = {"federated": [[6, 2, 0], [1, 3, 0], [0, 0, 0]]}
    found = classes.build(result, {})
    assert found.heads == ["class", "share of pixels", "IoU, federated", "Dice, federated"]
    shown = [
        [cell if isinstance(cell, str) else cell.text for cell in line] for line in found.lines
    ]
    assert shown == [
        ["clear", "66.7\u202f%", "66.7\u202f%", "80.0\u202f%"],
        ["thick cloud", "33.3\u202f%", "50.0\u202f%", "66.7\u202f%"],
        ["thin cloud", "0.0\u202f%", "-", "-"],
        ["mean over classes", "", "58.3\u202f%", "73.3\u202f%"],
    ]
    (heat,) = found.heats
    assert [[cell.share for cell in cells] for _, cells in heat.lines] == [
        ["75.0", "25.0", "0"],
        ["25.0", "75.0", "0"],
        ["0", "0", "0"],
    ]


def test_a_classifier_shows_how_much_of_each_class_it_recognises() -> None:
    result = samples.experiment(2, 3)
    result["confusion"] = {
        side: [[90 if i == j else 1 for j in range(10)] for i in range(10)]
        for side in ("federated", "centralised")
    }
    found = classes.build(result, {})
    assert found.heads[1:] == ["test samples", "recognised, federated", "recognised, centralised"]
    assert len(found.lines) == 10
    assert not found.pictures
    read(render(result))


def test_large_pictures_are_thinned_out() -> None:
    result, predictions = samples.segmentation()
    large = {
        key: value if key == "index" else value.repeat(2, axis=1).repeat(2, axis=2)
        for key, value in predictions.items()
    }
    row = classes.build(result, large).pictures[0]
    # 320x512 by every fourth pixel.
    assert [pixels(picture.address).shape[:2] for picture in row] == [(80, 128)] * 4


@pytest.mark.parametrize("junk", [None, 3, [], [[1, 2]], [[1, 2], [3, -4]], [[1, "x"], [1, 2]]])
def test_odd_matrices_are_left_out(junk: Any) -> None:
    result, _ = samples.segmentation()
    result["confusion"]["federated"] = junk
    assert [heat.side for heat in classes.build(result, {}).heats] == ["centralised"]
    result["confusion"] = junk
    assert classes.build(result, {}).lines == []


def test_more_classes_than_a_matrix_can_show() -> None:
    size = classes.MOST_CLASSES + 1
    result = {"confusion": {"federated": np.eye(size, dtype=int).tolist()}}
    assert classes.build(result, {}).lines == []
