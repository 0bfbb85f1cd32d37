"""The nodes that are slowed down because the experiment asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from coordinator.runner.chance import draw
from fedbed.experiment import Stragglers as Spec

_MARK = 0x510


@dataclass(frozen=True)
class Stragglers:
    """Which partitions of a run are stragglers; empty if the experiment asks for none."""

    spec: Spec
    partitions: tuple[int, ...]
    of: int

    @classmethod
    def choose(cls, spec: Spec, partitions: int, seed: int) -> Stragglers:
        """Draw them from the run's seed."""
        return cls(spec, draw(_MARK, seed, spec.nodes, partitions), partitions)

    def factor(self, partition: int) -> float | None:
        """Return how many times as long a partition's node is to train; None if as ever."""
        return self.spec.factor if partition in self.partitions else None

    def describe(self) -> str:
        """Say it in a sentence; empty if there are none."""
        if not self.partitions:
            return ""
        count = len(self.partitions)
        verb = "trains" if count == 1 else "train"
        times = f"{self.spec.factor:g} times as long"
        return f"{count} of {self.of} nodes {verb} {times}, as the experiment asks"
