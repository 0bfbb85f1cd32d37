"""Who holds which samples."""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.runner.samples import Samples
from fedbed.errors import ExperimentError
from fedbed.experiment import from_data


def samples(kept_back: int, seed: int = 1) -> Samples:
    data = {"dataset": "synthetic-digits", "train_samples": 100, "test_samples": 10}
    spec = {"name": "x", "task": "mnist_softmax", "data": {**data, "validation_samples": kept_back}}
    return Samples(from_data(spec, "x"), 3, seed)


def test_what_is_kept_back_is_nobody_s() -> None:
    whole, some = samples(0), samples(30)
    assert whole.kept_back is None
    assert whole.pooled() is whole.whole
    assert sum(whole.sizes().values()) == 100
    assert some.kept_back is not None
    assert some.whole is not None
    assert sum(some.sizes().values()) == len(some.pooled().train) == 70
    dealt = np.concatenate(some.train)
    assert len(np.unique(dealt)) == 70
    kept = np.setdiff1d(np.arange(100), dealt)
    np.testing.assert_array_equal(some.kept_back.x, some.whole.train.take(kept).x)
    assert {len(s.test) for s in (whole.pooled(), some.pooled())} == {10}


def test_the_seed_decides_what_is_kept_back() -> None:
    one, again, other = samples(30), samples(30), samples(30, seed=2)
    assert one.describe() == again.describe() != other.describe()


def test_not_everything_can_be_kept_back() -> None:
    data = {"dataset": "synthetic-digits", "validation_samples": 10**6}
    spec = from_data({"name": "x", "task": "mnist_softmax", "data": data}, "x")
    with pytest.raises(ExperimentError, match=r"1000000, but there are \d+ training samples"):
        Samples(spec, 3, 1)
