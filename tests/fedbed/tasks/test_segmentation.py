"""Segmentation: losses by hand, the U-Net, and what every task promises, asked of masks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from fedbed import tasks
from fedbed.data.dataset import Split
from fedbed.errors import ExperimentError
from fedbed.tasks import measures
from fedbed.tasks.augment import symmetries
from fedbed.tasks.segmenter import Segmenter
from fedbed.tasks.trainer import Arrays, FitSettings
from fedbed.tasks.unet import UNet

SETTINGS = FitSettings(samples=24, batch_size=4, lr=0.01, seed=3, optimizer="adamw")
SMALL = {"width": 4, "classes": 3}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def quiet(_share: float) -> None:
    pass


def blots(count: int = 12, height: int = 16, width: int = 16) -> Split:
    """Pictures whose masks are blocks of three classes, each of its own colour, with noise."""
    random = np.random.RandomState(0)
    coarse = random.randint(0, 3, (count, height // 4, width // 4))
    masks = coarse.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)
    colours = np.array([[30, 90, 40], [200, 200, 210], [60, 60, 120]])
    noise = random.randint(-20, 20, (count, height, width, 3))
    return Split((colours[masks] + noise).astype(np.uint8), masks)


def unet(**args: Any) -> Segmenter:
    trainer = tasks.create("clouds_unet", {**SMALL, **args})
    assert isinstance(trainer, Segmenter)
    trainer.load(trainer.initial(1))
    return trainer


def same(one: Arrays, other: Arrays) -> bool:
    return set(one) == set(other) and all(np.array_equal(one[n], other[n]) for n in one)


def test_the_networks_have_the_sizes_that_their_page_says() -> None:
    for width, size in {16: 134_900, 64: 2_143_172}.items():
        assert sum(p.numel() for p in UNet(width, 4, "group").parameters()) == size


def test_the_number_of_classes_must_be_known() -> None:
    with pytest.raises(ExperimentError, match="'classes': must be given where nodes bring data"):
        tasks.create("clouds_unet")
    assert tasks.with_classes("clouds_unet", {}, 5)["classes"] == 5
    assert tasks.with_classes("clouds_unet", {"classes": 6}, 5)["classes"] == 6
    with pytest.raises(ExperimentError, match="'classes': 3 are too few; the data set has 5"):
        tasks.with_classes("clouds_unet", {"classes": 3}, 5)
    assert tasks.with_classes("mnist_mlp", {}, 10) == {}


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_logits_are_as_large_as_the_picture(norm: str) -> None:
    network = UNet(6, 5, norm).eval()
    with torch.no_grad():
        assert network(torch.rand(2, 3, 12, 20)).shape == (2, 5, 12, 20)
    running = [name for name, _ in network.named_buffers()]
    assert bool(running) == (norm == "batch")


def test_a_pixel_sees_far_around_itself() -> None:
    torch.manual_seed(1)
    network = UNet(16, 2, "batch").eval()  # with few channels all may be at rest in the middle
    x = torch.rand(1, 3, 128, 128, requires_grad=True)
    network(x)[0, 0, 64, 64].backward()
    assert x.grad is not None
    rows = x.grad.abs().sum((0, 1, 3)).nonzero().ravel()
    # 4 x 2 x (2 + 4) of the dilated convolutions at a quarter of the size, and some of the others.
    assert int(rows[-1] - rows[0]) >= 100


@pytest.mark.parametrize("loss", ["dice", "dice_ce", "ce"])
def test_losses_are_what_their_formulas_say(loss: str) -> None:
    trainer, data = unet(loss=loss), blots(5)
    logits = [trainer._model(trainer._normalised(torch.from_numpy(data.x[i : i + 1])))[0]
              for i in range(5)]  # fmt: skip
    scores = np.stack([one.detach().numpy() for one in logits], axis=1).astype(np.float64)
    shares = np.exp(scores) / np.exp(scores).sum(0)
    true = np.stack([data.y == c for c in range(3)])
    both, said, there = ((part).sum((1, 2, 3)) for part in (shares * true, shares, true))
    dice = 1 - np.mean((2 * both + 1) / (said + there + 1))
    entropy = -np.log((shares * true).sum(0)).mean()
    want = {"dice": dice, "ce": entropy, "dice_ce": dice + entropy}[loss]
    assert trainer.evaluate(data)["loss"] == pytest.approx(want, rel=1e-5)
    # A whole pass in one batch, at a rate that changes nothing, has the same loss but for turns.
    still = replace(SETTINGS, samples=5, batch_size=5, lr=1e-12)
    assert trainer.fit(data, still, quiet)["loss"] == pytest.approx(want, rel=0.05)


def test_two_classes_are_enough() -> None:
    trainer = unet(classes=2, loss="dice_ce")
    data = blots(4)
    found = trainer.evaluate(Split(data.x, np.minimum(data.y, 1)))
    assert len(found["confusion"]) == 4


@pytest.mark.parametrize("norm", ["group", "batch"])
@pytest.mark.parametrize("loss", ["dice", "dice_ce", "ce"])
def test_fit_twice_gives_the_same_bits_and_learns(loss: str, norm: str) -> None:
    data = blots()
    one, other = unet(loss=loss, norm=norm), unet(loss=loss, norm=norm)
    before = one.evaluate(data)
    settings = replace(SETTINGS, samples=320, clip=5.0)
    first = one.fit(data, settings, quiet)
    assert other.fit(data, settings, quiet) == first
    assert same(one.weights(), other.weights())
    after = one.evaluate(data)
    assert after["loss"] < before["loss"]
    assert after["mean_iou"] > before["mean_iou"]
    assert after["mean_iou"] > 0.5
    assert all(a.dtype == np.float32 for a in one.weights().values())


def test_the_proximal_term_holds_back_under_adamw() -> None:
    start = unet().weights()

    def moved(mu: float) -> float:
        trainer = unet()
        trainer.fit(blots(), replace(SETTINGS, proximal_mu=mu), quiet)
        return sum(float(((a - start[n]) ** 2).sum()) for n, a in trainer.weights().items())

    assert moved(10.0) < moved(0.0)


def test_evaluation_adds_up_and_changes_nothing() -> None:
    data, trainer = blots(), unet(loss="dice_ce")
    weights, whole = trainer.weights(), trainer.evaluate(data)
    assert same(trainer.weights(), weights)
    small = Segmenter(lambda: UNet(4, 3, "group"), (0.3,) * 3, (0.2,) * 3, "dice_ce", 5)
    small._mean, small._std = trainer._mean, trainer._std
    small.load(weights)
    parts = small.evaluate(data)
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-5)
    predicted = trainer.predict(data.x)
    assert predicted.shape == data.y.shape
    matrix = measures.confusion(data.y, predicted, 3)
    assert whole == {"loss": whole["loss"], **measures.summary(matrix, "masks")}


def test_pictures_and_masks_are_turned_together_in_eight_ways() -> None:
    masks = np.arange(9, dtype=np.uint8).reshape(1, 3, 3).repeat(400, axis=0)
    images = masks[..., None].repeat(3, axis=3)
    kept = images.copy()
    turned, with_it = symmetries(images, masks, np.random.RandomState(1))
    assert np.array_equal(images, kept)
    assert np.array_equal(turned[..., 1], with_it)
    ways, counts = np.unique(with_it.reshape(400, 9), axis=0, return_counts=True)
    square = masks[0]
    wanted = {np.rot90(s, k).tobytes() for s in (square, square.T) for k in range(4)}
    assert {way.tobytes() for way in ways} == wanted
    assert counts.min() > 25
    again, _ = symmetries(images, masks, np.random.RandomState(1))
    assert np.array_equal(again, turned)


def test_a_rectangle_keeps_its_sides() -> None:
    masks = np.arange(6, dtype=np.uint8).reshape(1, 2, 3).repeat(60, axis=0)
    turned, with_it = symmetries(masks[..., None], masks, np.random.RandomState(1))
    assert np.array_equal(turned[..., 0], with_it)
    assert len(np.unique(with_it.reshape(60, 6), axis=0)) == 4
