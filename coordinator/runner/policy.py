"""How a run's exchanges with its nodes behave; pure numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from fedbed.codec import ArraySpec
from fedbed.experiment import Experiment, Pace

APP_MAX_BYTES = 512 * 1024 * 1024
SPARE = 1.25
"""Room for container overhead above the model's own size."""


@dataclass(frozen=True)
class Policy:
    """When exchanges close, and what may come back. Shares are of the nodes asked."""

    quorum: float = 0.3
    deadline_s: float = 3600.0
    rejoin_grace_s: float = 0.0
    retries: int = 1
    attempts: int = 3
    nodes_timeout_s: float = 60.0
    spare: float = 1.0
    """How many nodes a round's training asks for each one wanted; over-selection: above 1."""
    up: str = "exact"
    down: str = "exact"
    pace: Pace = field(default_factory=Pace)
    """Of training; off without a factor."""

    @classmethod
    def of(cls, experiment: Experiment) -> Policy:
        """Read the policy off an experiment."""
        federation = experiment.federation
        return cls(
            quorum=federation.quorum,
            deadline_s=federation.deadline,
            rejoin_grace_s=federation.rejoin_grace,
            retries=federation.retries,
            attempts=federation.attempts,
            nodes_timeout_s=federation.start_timeout,
            spare=federation.asked_fraction / federation.fraction,
            up=experiment.codec.up,
            down=experiment.codec.down,
            pace=federation.pace,
        )

    def least(self, asked: int) -> int:
        """Number of results that count as a quorum of `asked`; at least one."""
        return max(1, math.ceil(self.quorum * asked - 1e-9))

    def enough(self, asked: int) -> int:
        """Number of results at which a round's training closes, spare nodes or not."""
        return max(1, math.ceil(asked / self.spare - 1e-9))

    def paced(self, asked: int) -> dict[str, float] | None:
        """How long a round's training waits once most results are in; None: to its deadline.

        Keys as of `coordinator.runs.window.Pace`.
        """
        if self.pace.factor is None:
            return None
        count = max(1, math.ceil(self.pace.share * asked - 1e-9))
        return {"count": count, "factor": self.pace.factor, "least_s": self.pace.least}


def max_bytes(specs: list[ArraySpec]) -> int:
    """Largest result that a model of these arrays can honestly give."""
    return int(sum(spec.nbytes for spec in specs) * SPARE) + 1024 * 1024
