"""Momentum and moments that travel with the weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedbed import tasks
from fedbed.data import dataset
from fedbed.data.dataset import Split
from fedbed.tasks.moments import PREFIX, parted
from fedbed.tasks.trainer import Arrays, FitSettings, batches

SGD = FitSettings(samples=100, batch_size=10, lr=0.1, momentum=0.9, seed=3)
ADAMW = replace(SGD, momentum=0.0, lr=0.01, optimizer="adamw")
cases = pytest.mark.parametrize(
    ("name", "settings"), [("mnist_softmax", SGD), ("mnist_mlp", SGD), ("mnist_mlp", ADAMW)]
)


@pytest.fixture(scope="module")
def data() -> Split:
    return dataset.load("synthetic-digits").train.take(range(200))


def quiet(_share: float) -> None:
    pass


def same(one: Arrays, other: Arrays) -> bool:
    return set(one) == set(other) and all(np.array_equal(one[n], other[n]) for n in one)


@cases
def test_who_takes_over_weights_and_moments_goes_on_as_if_nothing_was(
    name: str, settings: FitSettings, data: Split
) -> None:
    alone, first, second = (tasks.create(name) for _ in range(3))
    for trainer in (alone, first):
        trainer.load(trainer.initial(1))
        trainer.fit(data, settings, quiet)
    held = {**first.weights(), **first.moments(settings.optimizer)}
    further = replace(settings, first=100)
    second.load(held)
    assert same(second.moments(settings.optimizer), first.moments(settings.optimizer))
    alone.fit(data, further, quiet)
    second.fit(data, further, quiet)
    assert same(alone.weights(), second.weights())
    forgetful = tasks.create(name)
    forgetful.load(first.weights())
    forgetful.fit(data, further, quiet)
    assert not same(alone.weights(), forgetful.weights())


@cases
def test_the_state_before_the_first_step_is_zeros_and_changes_nothing(
    name: str, settings: FitSettings, data: Split
) -> None:
    plain, with_zeros = tasks.create(name), tasks.create(name)
    start = plain.initial(1)
    zeros = with_zeros.moments(settings.optimizer)
    assert zeros
    assert all(key.startswith(PREFIX) and not array.any() for key, array in zeros.items())
    assert all(array.dtype == np.float32 for array in zeros.values())
    plain.load(start)
    with_zeros.load({**start, **zeros})
    assert plain.fit(data, settings, quiet) == with_zeros.fit(data, settings, quiet)
    assert same(plain.weights(), with_zeros.weights())
    assert set(with_zeros.moments(settings.optimizer)) == set(zeros)


def test_an_average_below_zero_is_no_square(data: Split) -> None:
    trainer = tasks.create("mnist_mlp")
    held = {**trainer.initial(1), **trainer.moments("adamw")}
    for name in held:
        if "exp_avg_sq" in name or name.endswith("step"):
            held[name] = held[name] - 1
    trainer.load(held)
    trainer.fit(data, ADAMW, quiet)
    assert all(np.isfinite(array).all() for array in trainer.weights().values())


def test_weights_and_moments_come_apart_again() -> None:
    arrays = {"a": np.zeros(1), PREFIX + "momentum/a": np.ones(1)}
    weights, held = parted(arrays)
    assert list(weights) == ["a"]
    assert list(held) == ["momentum/a"]


def test_a_fit_goes_on_in_the_pass_where_the_one_before_it_ended() -> None:
    settings = FitSettings(samples=25, batch_size=4, lr=1, seed=2)
    whole = np.concatenate(list(batches(10, settings, quiet)))
    parts = [replace(settings, samples=n, first=f) for f, n in ((0, 3), (3, 9), (12, 13))]
    pieces = [np.concatenate(list(batches(10, part, quiet))) for part in parts]
    assert np.concatenate(pieces).tolist() == whole.tolist()
    assert sorted(whole[:10]) == sorted(whole[10:20]) == list(range(10))
    assert whole[:10].tolist() != whole[10:20].tolist()


def test_momentum_that_decays_ends_as_zero_and_not_as_a_number_that_is_slow_to_compute_with(
    data: Split,
) -> None:
    trainer = tasks.create("mnist_mlp")
    trainer.load(trainer.initial(1))
    start, momentum = trainer.weights(), trainer.moments("sgd")
    # No unit of the last hidden layer answers: the gradient of what comes after it is 0.
    start["3.bias"].fill(-1e6)
    momentum[f"{PREFIX}momentum_buffer/5.weight"].fill(2 * np.finfo(np.float32).tiny)
    trainer.load({**start, **momentum})
    trainer.fit(data, replace(SGD, samples=200), quiet)
    assert not trainer.moments("sgd")[f"{PREFIX}momentum_buffer/5.weight"].any()
    # Whoever else computes in this process still has such numbers.
    assert np.finfo(np.float32).tiny / np.float32(4) > 0
