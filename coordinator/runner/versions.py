"""What a version of the model was made of, as rounds are described to history and page. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flwr.app import MetricRecord, RecordDict

from coordinator.runner.driver import summary
from coordinator.runner.exchanges import Exchanged


@dataclass
class Making:
    """A version that is being made: what has ended since the one before, in order of arrival."""

    exchanges: list[Exchanged] = field(default_factory=list)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    """Whose updates are in it; a node may come several times."""
    missing: dict[int, str] = field(default_factory=dict)
    metrics: list[RecordDict] = field(default_factory=list)
    staleness: list[int] = field(default_factory=list)
    waited_s: float = 0.0
    """What the run's process spent waiting for nodes."""

    def used(self, exchanged: Exchanged, staleness: int, content: RecordDict) -> None:
        """An update was taken in."""
        self.exchanges.append(exchanged)
        self.nodes += [{**node, "staleness": staleness} for node in exchanged.nodes]
        self.staleness.append(staleness)
        self.metrics.append(RecordDict(dict(content.metric_records.items())))

    def unused(self, partition: int, exchanged: Exchanged, why: str) -> None:
        """An exchange gave nothing that could be used."""
        self.exchanges.append(exchanged)
        self.missing[partition] = why

    def entry(
        self,
        number: int,
        train_metrics: MetricRecord | None,
        server_metrics: MetricRecord | None,
        metric: str,
    ) -> dict[str, Any]:
        """Describe the version for the history, as a round is."""
        entry = summary(number, self.exchanges, train_metrics, None, server_metrics, metric)
        return {
            **entry,
            "asked": len(self.exchanges),
            "participants": len(self.nodes),
            "missing": {str(p): why for p, why in sorted(self.missing.items())},
            "reason": "enough updates were in",
            "nodes": self.nodes,
            "staleness": mean(self.staleness),
            "model_kept": False,
        }


def mean(staleness: Sequence[int]) -> float:
    """Return the mean, rounded; 0 of nothing."""
    return round(sum(staleness) / len(staleness), 3) if staleness else 0.0
