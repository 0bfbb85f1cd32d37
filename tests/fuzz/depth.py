"""How deep to look: the same few examples in each `make test`, many others in each `make fuzz`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

DEEP = os.environ.get("FEDBED_FUZZ") == "deep"


def examples(quick: int, deep: int, steps: int = 40) -> settings:
    """Return settings for this many examples; `steps` bounds those of a state machine."""
    return settings(
        max_examples=deep if DEEP else quick,
        stateful_step_count=2 * steps if DEEP else steps,
        derandomize=not DEEP,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
