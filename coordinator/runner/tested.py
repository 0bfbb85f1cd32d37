"""What the tests of a round's model say, on the nodes and together. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coordinator.runner.exchanges import Exchanged
from fedbed.tasks import measures

_KEPT = ("partition", "name", "host", "metrics", "bytes_up", "timeline")


def of_nodes(exchanges: Sequence[Exchanged]) -> list[dict[str, Any]]:
    """Return a row for each node that tested the model: who, all its metrics, and what it took."""
    rows = [row for e in exchanges if e.kind.startswith("evaluate") for row in e.nodes]
    return [{key: row[key] for key in _KEPT if key in row} for row in rows]


def together(exchanges: Sequence[Exchanged], wants: str) -> dict[str, Any] | None:
    """Return the metrics over the test samples of all nodes; None if they can't be told."""
    return measures.pooled([row["metrics"] for row in of_nodes(exchanges)], wants)


def figures(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics without the confusion matrix, which is too long for a history."""
    return {name: value for name, value in metrics.items() if name != measures.CONFUSION}
