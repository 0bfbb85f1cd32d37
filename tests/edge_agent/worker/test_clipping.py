"""Clipping on the node against Flower's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flwr.supercore.differential_privacy import (
    KEY_CLIPPING_NORM,
    KEY_NORM_BIT,
    compute_adaptive_clip_model_update,
)

from edge_agent.worker.clipping import CLIPPING_NORM, NORM_BIT, clip

Arrays = dict[str, "np.ndarray[Any, Any]"]


def models() -> tuple[Arrays, Arrays]:
    rng = np.random.default_rng(2)
    sent = {"a": rng.normal(size=(4, 3)).astype("f4"), "b": rng.normal(size=5).astype("f4")}
    return sent, {name: array + np.float32(0.5) for name, array in sent.items()}


@pytest.mark.parametrize("limit", [0.1, 1.0, 2.0, 100.0])
def test_it_does_as_flower_s(limit: float) -> None:
    sent, trained = models()
    theirs = list(trained.values())
    bit = compute_adaptive_clip_model_update(theirs, list(sent.values()), limit)
    clipped, longer = clip(limit, sent, trained)
    assert longer == bit
    for mine, other in zip(clipped.values(), theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6)
        assert mine.dtype == np.float32


def test_the_keys_are_those_of_flower() -> None:
    assert (CLIPPING_NORM, NORM_BIT) == (KEY_CLIPPING_NORM, KEY_NORM_BIT)


def test_no_update_is_as_long_as_none_and_an_endless_one_is_cut() -> None:
    sent, trained = models()
    assert clip(1.0, sent, sent) == (sent, False)
    trained["a"][0, 0] = np.inf
    trained["steps"] = sent["steps"] = np.array(3)
    clipped, longer = clip(1.0, sent, trained)
    assert longer
    for name, array in sent.items():
        np.testing.assert_array_equal(clipped[name], array)
