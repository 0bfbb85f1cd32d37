"""When a run reached what it is to reach, and what that took. Pure.

As McMahan et al. (arXiv 1602.05629, section 3) count rounds: on the curve of the best value so
far, so that a later round which falls back takes nothing away, and in a straight line between two
rounds that were tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedbed.experiment import Experiment
from fedbed.units import format_bytes, format_count, format_duration

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Reached:
    """The first round whose value is at least the target's.

    crossing: where the curve of the best so far crosses the target, in rounds, not rounded up.
    seconds, bytes: spent on all rounds up to and with this one; both ways, 0 for the twin.
    """

    round: int
    crossing: float
    seconds: float
    bytes: int


def first_reached(
    history: Sequence[Entry], metric: str, value: float, initial: float | None = None
) -> Reached | None:
    """Find the first round of a history that reached `value`; None if none did.

    initial: the metric's value before the first round, where it is known.
    """
    seconds, traffic = 0.0, 0
    best, tested = initial, 0
    for entry in history:
        seconds += float(entry.get("wall_s") or 0.0)
        traffic += int(entry.get("bytes_up") or 0) + int(entry.get("bytes_down") or 0)
        now = entry.get(metric)
        if not isinstance(now, float):
            continue
        number = int(entry["round"])
        if now >= value:
            share = 1.0 if best is None or best >= value else (value - best) / (now - best)
            crossing = tested + share * (number - tested)
            return Reached(number, round(crossing, 3), round(seconds, 3), traffic)
        best, tested = now if best is None else max(best, now), number
    return None


class Target:
    """A run's target, by its experiment; `value` is None where it has none."""

    def __init__(self, experiment: Experiment | None, metric: str) -> None:
        self.value = None if experiment is None else experiment.federation.target
        self._stops = experiment is not None and experiment.federation.stop_at_target
        self._metric = metric

    def is_enough(self, history: Sequence[Entry]) -> bool:
        """Whether the rounds so far have reached it, and the run is to stop there."""
        if self.value is None or not self._stops:
            return False
        return first_reached(history, self._metric, self.value) is not None

    def outcome(
        self, history: Sequence[Entry], twin: Sequence[Entry], initial: float | None
    ) -> dict[str, Any] | None:
        """Describe for the result when it was reached, with and without federation.

        None where there is no target; `round` and all else of a side that never reached it is None.
        """
        if self.value is None:
            return None
        federated = first_reached(history, self._metric, self.value, initial)
        central = first_reached(twin, self._metric, self.value, initial)
        return {
            "metric": self._metric,
            "value": self.value,
            "stops": self._stops,
            **_facts(federated),
            "centralised": _facts(central) if twin else None,
            "text": self._text(federated, central, len(history), bool(twin)),
        }

    def _text(
        self, federated: Reached | None, central: Reached | None, rounds: int, has_twin: bool
    ) -> str:
        assert self.value is not None
        text = f"{self._metric.replace('_', ' ')} of {self.value * 100:g} %"
        if federated is None:
            text += f" not reached in {format_count(rounds, 'round')}"
        else:
            spent = f"{format_duration(federated.seconds)}, {format_bytes(federated.bytes)}"
            stopped = ", where the run stopped" if self._stops else ""
            text += f" reached in round {federated.round}{stopped} ({spent})"
        if has_twin:
            where = "not at all" if central is None else f"in round {central.round}"
            text += f"; centralised {where}"
        return text


def _facts(reached: Reached | None) -> dict[str, Any]:
    if reached is None:
        return dict.fromkeys(("round", "crossing", "seconds", "bytes"))
    return vars(reached)
