"""Telegraf's own measurements that dashboards show, under Telegraf's names.

https://github.com/influxdata/telegraf/tree/release-1.34/plugins/inputs/docker
"""

from __future__ import annotations

from fedbed.telemetry.definition import FLOAT, INTEGER, Field, Measurement, Tag

_WRITER = "telegraf"
_WHEN = "every 10 s"
_NAME = Tag("container_name", "the container's name")

CONTAINERS = (
    Measurement(
        "docker_container_cpu",
        _WRITER,
        _WHEN,
        "Processor time of a container.",
        (_NAME, Tag("cpu", "cpu-total, or a core")),
        (
            Field("usage_percent", FLOAT, "percent", "of one core; above 100 on several"),
            Field(
                "throttling_throttled_periods",
                INTEGER,
                "",
                "scheduler periods in which it was held back by its limit",
                is_counter=True,
            ),
        ),
    ),
    Measurement(
        "docker_container_mem",
        _WRITER,
        _WHEN,
        "Memory of a container.",
        (_NAME,),
        (
            Field("usage", INTEGER, "bytes", "in use, without the file cache"),
            Field("usage_percent", FLOAT, "percent", "of its limit"),
            Field("limit", INTEGER, "bytes", "what it may use"),
        ),
    ),
    Measurement(
        "docker_container_net",
        _WRITER,
        _WHEN,
        "Network of a container.",
        (_NAME, Tag("network", "total, or an interface")),
        (
            Field("rx_bytes", INTEGER, "bytes", "received since start", is_counter=True),
            Field("tx_bytes", INTEGER, "bytes", "sent since start", is_counter=True),
        ),
    ),
)
