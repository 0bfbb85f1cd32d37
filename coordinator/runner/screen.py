"""Which updates of a native task are believed, and how far. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from statistics import median
from typing import Any, NamedTuple

LEAST_UPDATES = 3
"""Of fewer updates there is none that the others could show to be odd."""


class Complaint(NamedTuple):
    """What is wrong with a reply: a kind of `coordinator.fleet.offences`, and a sentence."""

    kind: str
    text: str


def complaint(metrics: Mapping[str, Any], samples: int | None) -> Complaint | None:
    """Return why a node's metrics can't be right, None if they can.

    samples: the size of the node's partition where the run dealt it out, None where the node
    brought its own data.
    """
    for name, value in metrics.items():
        if isinstance(value, float) and not math.isfinite(value):
            return Complaint("metrics", f"its metric '{name}' is {value}")
    count = metrics.get("num-examples")
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        return Complaint("samples", f"it says that it trained on {count!r} samples")
    if samples is not None and count != samples:
        text = f"it says that it trained on {count} samples; its partition has {samples}"
        return Complaint("samples", text)
    return None


def usual(norms: Collection[float]) -> float | None:
    """Return the median length of updates; None where it can't show one of them to be odd.

    That is of less than LEAST_UPDATES, or where half of them are 0 or out of range.
    """
    middle = median(norms) if len(norms) >= LEAST_UPDATES else 0.0
    return middle if 0 < middle < math.inf else None


def allowance(partitions: Collection[int], samples: Mapping[int, int]) -> dict[int, float]:
    """Return how many times as far as usual each partition's update may go.

    A partition with more samples than the median one trains more steps and may go further in
    proportion, where its size is known (`samples`) and not only claimed.
    """
    sizes = {partition: samples[partition] for partition in partitions if partition in samples}
    middle = median(sizes.values()) if sizes and len(sizes) == len(partitions) else 0
    return {p: max(1.0, samples[p] / middle) if middle else 1.0 for p in partitions}


def believed(counts: Mapping[int, int], factor: float) -> dict[int, int]:
    """Return the counts of samples that are above `factor` times the median, brought down to it."""
    if len(counts) < LEAST_UPDATES:
        return {}
    most = max(1, int(factor * median(counts.values())))
    return {partition: most for partition, count in counts.items() if count > most}
