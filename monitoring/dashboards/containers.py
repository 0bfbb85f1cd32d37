"""Containers: what each takes, as Telegraf's docker plugin sees it. For who keeps the stack up."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from monitoring.dashboards import board, shapes
from monitoring.dashboards.board import CONTAINERS
from monitoring.dashboards.limits import MEMORY
from monitoring.dashboards.panels import THIRD, column, lines, listing
from monitoring.dashboards.queries import CONTAINER, Where, over_time, rate, table, values_of

_THEM: Where = {"container_name": CONTAINER}
_ALL_CORES: Where = {**_THEM, "cpu": "cpu-total"}
_ALL_NETWORKS: Where = {**_THEM, "network": "total"}
_BY = "container_name"


def build() -> Dashboard:
    """Return the dashboard."""
    listed = values_of("docker_container_cpu", _BY)
    return board.assemble(
        CONTAINERS,
        since="now-1h",
        variables=[board.choice(CONTAINER, "Containers", listed, many=True)],
        annotations=board.happenings(),
        sections=[("", [_now(), *_over_time()])],
    )


def _now() -> Table:
    columns = (_BY, "processor", "memory", "memory of its limit", "limit")
    made = listing(
        "Containers",
        "Who runs, and who takes how much at the moment? Processor in percent of one core.",
        table(
            "docker_container_cpu",
            {"processor": ("last", "usage_percent")},
            by=_BY,
            where=_ALL_CORES,
        ),
        table(
            "docker_container_mem",
            {
                "memory": ("last", "usage"),
                "memory of its limit": ("last", "usage_percent"),
                "limit": ("last", "limit"),
            },
            by=_BY,
            where=_THEM,
        ),
    )
    for shape in (
        shapes.joined_by(_BY),
        shapes.only(columns),
        shapes.in_order(columns, {_BY: "container"}),
    ):
        made = made.with_transformation(shape)
    made = column(made, "processor", unit="percent", decimals=1)
    made = column(made, "memory of its limit", unit="percent", limit=MEMORY, decimals=0, gauge=True)
    for name in ("memory", "limit"):
        made = column(made, name, unit="decbytes", decimals=1)
    return made


def _over_time() -> Sequence[Builder[Panel]]:
    return [
        lines(
            "Processor",
            "Which container computes? Percent of one core, above 100 on several.",
            over_time("docker_container_cpu", "usage_percent", by=_BY, where=_ALL_CORES),
        ),
        lines(
            "Memory",
            "Which container grows?",
            over_time("docker_container_mem", "usage", "max", by=_BY, where=_THEM),
        ),
        lines(
            "Held back by its processor limit",
            "Is a container's limit too tight? Scheduler periods a second in which it had to wait.",
            rate(
                "docker_container_cpu",
                "throttling_throttled_periods",
                by=_BY,
                where=_ALL_CORES,
            ),
            width=THIRD,
        ),
        lines(
            "Received",
            "Which container receives how much?",
            rate("docker_container_net", "rx_bytes", by=_BY, where=_ALL_NETWORKS),
            width=THIRD,
        ),
        lines(
            "Sent",
            "Which container sends how much?",
            rate("docker_container_net", "tx_bytes", by=_BY, where=_ALL_NETWORKS),
            width=THIRD,
        ),
    ]
