"""Which updates of a native task are believed. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def complaint(metrics: Mapping[str, Any], samples: int | None) -> str:
    """Return why a node's metrics can't be right, empty if they can.

    samples: the size of the node's partition where the run dealt it out, None where the node
    brought its own data.
    """
    for name, value in metrics.items():
        if isinstance(value, float) and not math.isfinite(value):
            return f"its metric '{name}' is {value}"
    count = metrics.get("num-examples")
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        return f"it says that it trained on {count!r} samples"
    if samples is not None and count != samples:
        return f"it says that it trained on {count} samples; its partition has {samples}"
    return ""
