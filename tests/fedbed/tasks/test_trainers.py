"""What every task promises, asked of each on digits; then what only one of them can be asked.

The tasks on CIFAR-10 take a hundred times as long: test_cifar10.py asks them with few samples.
"""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from fedbed import tasks
from fedbed.data import dataset
from fedbed.data.dataset import Split
from fedbed.errors import ExperimentError, RequirementMissing
from fedbed.tasks import measures
from fedbed.tasks.trainer import Arrays, FitSettings, Trainer, batches

SETTINGS = FitSettings(samples=200, batch_size=16, lr=0.1, momentum=0.9, seed=3)
every_task = pytest.mark.parametrize("name", ["mnist_cnn_light", "mnist_mlp", "mnist_softmax"])


@pytest.fixture(scope="module")
def data() -> Split:
    return dataset.load("synthetic-digits").train.take(range(200))


def quiet(_share: float) -> None:
    pass


def loaded(name: str, seed: int = 1) -> Trainer:
    trainer = tasks.create(name)
    trainer.load(trainer.initial(seed))
    return trainer


def same(one: Arrays, other: Arrays) -> bool:
    return set(one) == set(other) and all(np.array_equal(one[n], other[n]) for n in one)


def distance(one: Arrays, other: Arrays) -> float:
    return math.sqrt(sum(float(((one[n] - other[n]) ** 2).sum()) for n in one))


def test_unknown_and_unavailable_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ExperimentError, match="unknown task 'mnist_mpl'; did you mean 'mnist_mlp'"):
        tasks.create("mnist_mpl")
    monkeypatch.setitem(sys.modules, "fedbed.tasks.mnist_mlp", None)
    with pytest.raises(RequirementMissing, match="task 'mnist_mlp' needs the package"):
        tasks.create("mnist_mlp")


def test_the_numpy_task_does_not_pay_for_torch() -> None:
    code = (
        "import sys; from fedbed import tasks; tasks.create('mnist_softmax'); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch" not in done.stdout.split()
    assert tasks.packages("mnist_softmax") == ["numpy"]
    assert tasks.packages("mnist_mlp") == ["numpy", "torch"]


def test_the_shape_of_a_sample_is_told_without_torch() -> None:
    code = (
        "import sys; from fedbed import tasks; print(*map(tasks.sample_shape, tasks.names())); "
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shapes, modules = done.stdout.splitlines()
    assert shapes == "(32, 32, 3) (32, 32, 3) (None, None, 3)" + 4 * " (28, 28)"
    assert "torch" not in modules.split()
    with pytest.raises(ExperimentError, match="did you mean 'cifar10_resnet18'"):
        tasks.sample_shape("cifar10_resnet81")


def test_the_shapes_that_a_task_takes() -> None:
    assert tasks.fits("mnist_mlp", (28, 28))
    assert not tasks.fits("mnist_mlp", (28, 28, 3))
    assert tasks.shape_text("cifar10_resnet18") == "32x32x3"
    assert tasks.fits("clouds_unet", (64, 100, 3))
    assert not tasks.fits("clouds_unet", (64, 90, 3))
    assert not tasks.fits("clouds_unet", (64, 64))
    assert tasks.shape_text("clouds_unet") == "HxWx3 with H and W divisible by 4"
    assert (tasks.wants("clouds_unet"), tasks.metric("clouds_unet")) == ("masks", "mean_iou")
    assert (tasks.wants("mnist_mlp"), tasks.metric("mnist_mlp")) == ("labels", "accuracy")


def test_arguments_that_a_task_does_not_have() -> None:
    text = "task 'mnist_mlp': argument 'width': task 'mnist_mlp' takes no arguments"
    with pytest.raises(ExperimentError, match=text):
        tasks.create("mnist_mlp", {"width": 3})


@every_task
def test_initial_weights_follow_the_seed_alone(name: str) -> None:
    trainer = tasks.create(name)
    torch.manual_seed(99)
    np.random.seed(99)
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    first = trainer.initial(1)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # type: ignore[index]
    torch.manual_seed(7)
    assert same(first, tasks.create(name).initial(1))
    assert not same(first, trainer.initial(2))
    assert all(array.dtype == np.float32 for array in first.values())


@every_task
def test_load_and_weights_round_trip_by_copy(name: str) -> None:
    trainer = tasks.create(name)
    given = trainer.initial(5)
    kept = {n: a.copy() for n, a in given.items()}
    trainer.load(given)
    for array in given.values():
        array += 1
    for array in trainer.weights().values():
        array += 1
    assert same(trainer.weights(), kept)


@every_task
def test_load_refuses_what_does_not_fit(name: str) -> None:
    trainer = tasks.create(name)
    arrays = trainer.initial(1)
    first = next(iter(arrays))
    with pytest.raises((ValueError, RuntimeError)):
        trainer.load({n: a for n, a in arrays.items() if n != first})
    with pytest.raises((ValueError, RuntimeError)):
        trainer.load({**arrays, first: arrays[first][:-1]})


@every_task
def test_fit_twice_gives_the_same_bits_and_learns(name: str, data: Split) -> None:
    one, other = loaded(name), loaded(name)
    before = one.evaluate(data)
    first = one.fit(data, SETTINGS, quiet)
    torch.manual_seed(1234)
    assert other.fit(data, SETTINGS, quiet) == first
    assert same(one.weights(), other.weights())
    assert one.evaluate(data)["loss"] < before["loss"]
    third = loaded(name)
    third.fit(data, replace(SETTINGS, seed=4), quiet)
    assert not same(one.weights(), third.weights())


@every_task
def test_momentum_is_forgotten_by_load_and_kept_by_consecutive_fits(name: str, data: Split) -> None:
    two_rounds, reloaded, without = loaded(name), loaded(name), loaded(name)
    plain = replace(SETTINGS, momentum=0.0)
    for trainer in (two_rounds, reloaded, without):
        trainer.fit(data, plain if trainer is without else SETTINGS, quiet)
    middle = two_rounds.weights()
    reloaded.load(middle)
    fresh = tasks.create(name)
    fresh.load(middle)
    later = replace(SETTINGS, seed=8)
    for trainer in (two_rounds, reloaded, fresh):
        trainer.fit(data, later, quiet)
    assert same(reloaded.weights(), fresh.weights())
    assert not same(two_rounds.weights(), fresh.weights())
    assert not same(middle, without.weights())


@every_task
def test_weight_decay_shrinks_and_fedprox_holds_back(name: str, data: Split) -> None:
    start = loaded(name).weights()

    def moved(settings: FitSettings) -> tuple[float, float]:
        trainer = loaded(name)
        trainer.fit(data, settings, quiet)
        zero = {n: np.zeros_like(a) for n, a in start.items()}
        return distance(trainer.weights(), start), distance(trainer.weights(), zero)

    calm = replace(SETTINGS, momentum=0.0)
    far, size = moved(calm)
    assert moved(replace(calm, proximal_mu=2.0))[0] < moved(replace(calm, proximal_mu=0.5))[0] < far
    assert moved(replace(calm, weight_decay=0.5))[1] < size


@every_task
def test_evaluation_changes_nothing_and_does_not_depend_on_its_batches(
    name: str, data: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = loaded(name)
    weights = trainer.weights()
    whole = trainer.evaluate(data)
    assert same(trainer.weights(), weights)
    module = sys.modules[
        "fedbed.tasks." + ("mnist_softmax" if name == "mnist_softmax" else "learner")
    ]
    monkeypatch.setattr(module, "EVALUATION_BATCH", 7)
    parts = trainer.evaluate(data)
    assert parts["accuracy"] == whole["accuracy"]
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-5)
    assert parts["confusion"] == whole["confusion"]
    predicted = trainer.predict(data.x)
    assert (predicted == data.y).mean() == whole["accuracy"]
    matrix = measures.confusion(data.y, predicted, 10)
    assert whole["confusion"] == matrix.ravel().tolist()
    hits = [trainer.evaluate(data.take([i]))["accuracy"] for i in range(40)]
    assert trainer.evaluate(data.take(range(40)))["accuracy"] == pytest.approx(sum(hits) / 40)


def test_evaluation_of_a_case_done_by_hand() -> None:
    # One pixel is lit; class 3 gets the logit 2, all others 0.
    weights = {"weight": np.zeros((784, 10), np.float32), "bias": np.zeros(10, np.float32)}
    weights["weight"][5, 3] = 2.0
    trainer = tasks.create("mnist_softmax")
    trainer.load(weights)
    x = np.zeros((4, 28, 28), np.uint8)
    x[:3, 0, 5] = 255
    found = trainer.evaluate(Split(x, np.array([3, 3, 1, 0])))
    total = math.exp(2) + 9
    losses = [math.log(total) - 2, math.log(total) - 2, math.log(total), math.log(10)]
    assert found["loss"] == pytest.approx(sum(losses) / 4, rel=1e-6)
    assert found["accuracy"] == 0.75


def test_the_gradient_is_the_slope_of_the_loss(data: Split) -> None:
    few = data.take(range(8))
    start = tasks.create("mnist_softmax").initial(1)
    # One step with the rate 1 on one batch moves the weights by minus the gradient.
    trainer = tasks.create("mnist_softmax")
    trainer.load(start)
    loss = trainer.fit(few, FitSettings(8, 8, lr=1.0), quiet)["loss"]
    gradient = {n: start[n] - a for n, a in trainer.weights().items()}
    trainer.load(start)
    assert loss == pytest.approx(trainer.evaluate(few)["loss"], rel=1e-6)
    rng = np.random.RandomState(0)
    largest = np.argsort(-np.abs(gradient["weight"]).ravel())[:10]
    places: list[tuple[str, Any]] = [("bias", (int(c),)) for c in range(10)]
    places += [("weight", np.unravel_index(i, (784, 10))) for i in largest]
    places += [("weight", (int(rng.randint(784)), int(rng.randint(10)))) for _ in range(5)]
    for name, where in places:
        slopes = []
        for step in (0.02, -0.02):
            moved = {n: a.copy() for n, a in start.items()}
            moved[name][where] += step
            trainer.load(moved)
            slopes.append(trainer.evaluate(few)["loss"])
        slope = (slopes[0] - slopes[1]) / 0.04
        assert float(gradient[name][where]) == pytest.approx(slope, abs=2e-4)


@pytest.mark.parametrize("clip", [0.0, 0.3])
def test_both_kinds_of_sgd_mean_the_same(data: Split, clip: float) -> None:
    """Momentum, weight decay and clipping are those of torch."""
    ours = loaded("mnist_softmax")
    start = ours.weights()
    settings = replace(SETTINGS, weight_decay=0.01, clip=clip)
    weight = torch.tensor(start["weight"], requires_grad=True)
    bias = torch.tensor(start["bias"], requires_grad=True)
    sgd = torch.optim.SGD([weight, bias], lr=0.1, momentum=0.9, weight_decay=0.01)
    for batch in batches(len(data), settings, quiet):
        x = torch.from_numpy(data.x[batch]).reshape(len(batch), 784).float() / 255
        sgd.zero_grad()
        loss = torch.nn.functional.cross_entropy(x @ weight + bias, torch.from_numpy(data.y[batch]))
        loss.backward()  # type: ignore[no-untyped-call]
        if clip:
            torch.nn.utils.clip_grad_norm_([weight, bias], clip)
        sgd.step()
    ours.fit(data, settings, quiet)
    assert np.allclose(ours.weights()["weight"], weight.detach().numpy(), atol=1e-5)
    assert np.allclose(ours.weights()["bias"], bias.detach().numpy(), atol=1e-5)


def test_the_networks_on_digits_have_the_sizes_that_their_pages_say() -> None:
    for name, size in {"mnist_cnn": 1_663_370, "mnist_cnn_light": 11_274}.items():
        trainer = tasks.create(name)
        assert sum(a.size for a in trainer.weights().values()) == size
        assert trainer.predict(np.zeros((2, 28, 28), np.uint8)).shape == (2,)


def test_adamw_is_torch_s_and_keeps_its_moments_until_load(data: Split) -> None:
    settings = replace(
        SETTINGS, lr=0.01, momentum=0.0, optimizer="adamw", betas=(0.8, 0.9), weight_decay=0.1
    )
    trainer = loaded("mnist_mlp")
    weight, bias = (torch.tensor(a, requires_grad=True) for a in _last_layer(trainer))
    adamw = torch.optim.AdamW([weight, bias], lr=0.01, betas=(0.8, 0.9), weight_decay=0.1)
    first = next(batches(len(data), settings, quiet))
    hidden = _hidden(trainer, data.x[first])
    torch.nn.functional.cross_entropy(
        hidden @ weight.T + bias, torch.from_numpy(data.y[first])
    ).backward()  # type: ignore[no-untyped-call]
    adamw.step()
    trainer.fit(data.take(first), replace(settings, samples=16), quiet)
    for ours, theirs in zip(_last_layer(trainer), (weight, bias)):
        assert np.allclose(ours, theirs.detach().numpy(), atol=1e-6)
    kept, fresh = trainer.weights(), loaded("mnist_mlp")
    fresh.load(kept)
    for each in (trainer, fresh):
        each.fit(data, settings, quiet)
    assert not same(trainer.weights(), fresh.weights())


def _last_layer(trainer: Trainer) -> tuple[Any, Any]:
    *_, weight, bias = trainer.weights().values()
    return weight, bias


def _hidden(trainer: Trainer, images: Any) -> torch.Tensor:
    arrays = [torch.from_numpy(a) for a in trainer.weights().values()]
    x = (torch.from_numpy(images).reshape(len(images), 784) / 255 - 0.1307) / 0.3081
    for weight, bias in zip(arrays[:-2:2], arrays[1:-2:2]):
        x = torch.relu(x @ weight.T + bias)
    return x


def test_an_optimiser_that_a_task_does_not_know(data: Split) -> None:
    with pytest.raises(ExperimentError, match="'mnist_softmax' learns by sgd, not adamw"):
        loaded("mnist_softmax").fit(data, replace(SETTINGS, optimizer="adamw"), quiet)
    with pytest.raises(ValueError, match="unknown optimiser 'lion'"):
        loaded("mnist_mlp").fit(data, replace(SETTINGS, optimizer="lion"), quiet)


def test_a_clipped_gradient_goes_as_far_as_it_may(data: Split) -> None:
    one_step = replace(SETTINGS, samples=16, momentum=0.0, lr=1.0, clip=0.25)
    for name in ("mnist_mlp", "mnist_softmax"):
        trainer = loaded(name)
        start = trainer.weights()
        trainer.fit(data, one_step, quiet)
        assert distance(trainer.weights(), start) == pytest.approx(0.25, rel=1e-3)


def test_batches_see_every_sample_once_a_pass_and_end_where_they_should() -> None:
    shares: list[float] = []
    drawn = list(batches(50, FitSettings(samples=120, batch_size=16, lr=1, seed=2), shares.append))
    flat = np.concatenate(drawn)
    assert len(flat) == 120
    assert sorted(flat[:50]) == sorted(flat[50:100]) == list(range(50))
    assert flat[:50].tolist() != flat[50:100].tolist()
    assert len(set(flat[100:])) == 20
    assert max(len(batch) for batch in drawn) == 16
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0, abs=0.05)


def test_there_is_no_training_without_samples() -> None:
    with pytest.raises(ValueError, match="there are no samples to train on"):
        next(batches(0, SETTINGS, quiet))


@every_task
def test_an_exception_in_progress_ends_the_training(name: str, data: Split) -> None:
    def stop(_share: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        loaded(name).fit(data, SETTINGS, stop)


@every_task
def test_what_it_gives_away_lies_in_the_usual_order_whatever_it_computes_in(
    name: str, data: Split
) -> None:
    trainer = loaded(name)
    trainer.fit(data, SETTINGS, quiet)
    given = {**trainer.weights(), **trainer.moments("sgd")}
    assert all(array.flags.c_contiguous for array in given.values())
