"""How much an update counts that was trained on an older model. Pure.

Staleness is the number of versions that the model has gone through since it was sent: 0 for an
update to the model as it is.
"""

from __future__ import annotations


def polynomial(staleness: int, a: float) -> float:
    """Return (1 + staleness) ** -a; a = 0.5 is FedBuff's choice (arXiv 2106.06639, section 5)."""
    return float((1 + staleness) ** -a)


def hinge(staleness: int, a: float, b: float) -> float:
    """Return 1 up to a staleness of b, then 1 / (a * (staleness - b) + 1) (arXiv 1903.03934)."""
    return 1.0 if staleness <= b else 1 / (a * (staleness - b) + 1)
