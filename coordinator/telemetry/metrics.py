"""The page for Prometheus: what the coordinator knows at the moment, in its text format. Pure,
but for the cost of this process.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""Every Prometheus reads it."""


@dataclass(frozen=True)
class Figures:
    """What the page says. points_waiting, points_dropped: None where no database is configured."""

    nodes: Mapping[str, int]
    """By state."""
    runs: Mapping[str, int]
    """By state, those of earlier lives included."""
    offences: Mapping[str, int]
    """By node."""
    queue: int
    rounds: int
    bytes_up: int
    bytes_down: int
    points_waiting: int | None = None
    points_dropped: int | None = None


def render(figures: Figures) -> bytes:
    """Return the page."""
    registry = CollectorRegistry()
    registry.register(_Centre(figures))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Centre(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Return all figures, each with its meaning."""
        known = self._figures
        yield _by("fedbed_nodes", "Nodes by their state in the fleet.", "state", known.nodes)
        yield _by("fedbed_runs", "Runs by state, of earlier starts too.", "state", known.runs)
        yield _by(
            "fedbed_node_offences",
            "Refused updates of a node that count, since it was last forgiven.",
            "node",
            known.offences,
        )
        yield GaugeMetricFamily("fedbed_queue", "Runs that wait for nodes.", value=known.queue)
        yield CounterMetricFamily("fedbed_rounds", "Rounds since the start.", value=known.rounds)
        traffic = CounterMetricFamily(
            "fedbed_traffic_bytes", "Updates (up) and models (down) since the start.", None, ["way"]
        )
        traffic.add_metric(["up"], known.bytes_up)
        traffic.add_metric(["down"], known.bytes_down)
        yield traffic
        if known.points_waiting is not None:
            text = "Points that wait for InfluxDB."
            yield GaugeMetricFamily("fedbed_points_waiting", text, value=known.points_waiting)
        if known.points_dropped is not None:
            text = "Points given up since the start."
            yield CounterMetricFamily("fedbed_points_dropped", text, value=known.points_dropped)


def _by(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, count in sorted(values.items()):
        family.add_metric([value], count)
    return family
