"""What is told of a version of the model, and of a round alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coordinator.runner.versions import Making
from tests.coordinator.runner.test_tested import exchanged


@pytest.mark.parametrize(
    ("medians", "told"),
    [
        ([None, 0.5, 2.0, 1.0], {"usual_norm": 2.0}),
        ([0.5], {"usual_norm": 0.5}),
        ([None, None], {}),  # too few updates to have a median
    ],
)
def test_the_largest_median_length_of_its_updates_is_kept(
    medians: list[float | None], told: dict[str, Any]
) -> None:
    making = Making()
    for partition, usual_norm in enumerate(medians):
        ended = replace(exchanged("train", {"loss": 1.0}), usual_norm=usual_norm)
        making.unused(partition, ended, "too old")
    entry = making.entry(1, None, None, "accuracy")
    assert {key: entry[key] for key in entry if key == "usual_norm"} == told
