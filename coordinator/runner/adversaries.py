"""The nodes that falsify their updates because the experiment asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from coordinator.runner.chance import draw
from fedbed.experiment import Adversaries as Spec
from fedbed.link.messages import Poison

_MARK = 0xADF
_WHAT = {
    "sign-flip": ("flips the sign of its updates", "flip the sign of their updates"),
    "noise": ("sends noise for its updates", "send noise for their updates"),
    "scale": ("enlarges its updates", "enlarge their updates"),
    "nan": ("sends NaN for its updates", "send NaN for their updates"),
}
_TIMED = ("sign-flip", "noise", "scale")


@dataclass(frozen=True)
class Adversaries:
    """Which partitions of a run are adversaries; empty if the experiment asks for none."""

    spec: Spec
    partitions: tuple[int, ...]
    of: int

    @classmethod
    def choose(cls, spec: Spec, partitions: int, seed: int) -> Adversaries:
        """Draw them from the run's seed."""
        return cls(spec, draw(_MARK, seed, spec.nodes, partitions), partitions)

    def poison(self, partition: int, seed: int) -> Poison | None:
        """Return what a partition's node is to do to its update; None if it is honest."""
        if partition not in self.partitions:
            return None
        return Poison(self.spec.kind, self.spec.scale, seed)

    def describe(self) -> str:
        """Say it in a sentence; empty if there are none."""
        if not self.partitions:
            return ""
        count = len(self.partitions)
        timed = self.spec.kind in _TIMED and self.spec.scale != 1
        times = f", {self.spec.scale:g} times" if timed else ""
        one, more = _WHAT[self.spec.kind]
        text = f"{count} of {self.of} nodes {one if count == 1 else more}{times}"
        return f"{text}, as the experiment asks"
