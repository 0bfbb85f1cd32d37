"""Queries are built from the definition: what nobody writes can't be asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from monitoring.dashboards.queries import (
    NODE,
    RUN,
    Above,
    UndefinedError,
    how_many,
    largest,
    moments,
    over_time,
    points,
    quotient,
    rate,
    recent,
    rows,
    table,
    values_of,
)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: over_time("fedbed_gpus", "usage"),
        lambda: over_time("fedbed_cpu", "use"),
        lambda: over_time("fedbed_cpu", "usage", "median_of_all"),
        lambda: over_time("fedbed_cpu", "usage", by="host"),
        lambda: over_time("fedbed_cpu", "usage", where={"host": NODE}),
        lambda: over_time("fedbed_node", "state", "mean"),
        lambda: over_time("fedbed_node", "online", "max"),
        lambda: rate("fedbed_cpu", "usage"),
        lambda: rate("fedbed_network", "lost"),
        lambda: points("fedbed_round", "accuracy"),
        lambda: points("fedbed_round", "metric", by="node"),
        lambda: quotient("fedbed_exchange", "bytes_up", "duration", "Bps", by="node"),
        lambda: table("fedbed_round", {"best": ("max", "accuracy")}),
        lambda: table("fedbed_node", {"state": ("max", "state")}),
        lambda: rows("fedbed_run", {"name": "title"}),
        lambda: how_many("fedbed_node", "busy", True, by="node"),
        lambda: how_many("fedbed_node", "online", True, by="host"),
        lambda: largest("fedbed_disk", "usage", "fullest", of="node"),
        lambda: values_of("fedbed_cpu", "host"),
        lambda: moments("fedbed_event", "words", "kind"),
        lambda: moments("fedbed_event", "text", "partition"),
        lambda: recent("fedbed_disk", "last", "usage", "1m"),
        lambda: recent("fedbed_disk", "last", "used", "1m", by=["run"]),
    ],
)
def test_what_is_not_defined_raises(wrong: Callable[[], object]) -> None:
    with pytest.raises(UndefinedError):
        wrong()


def test_numbers_leave_gaps_and_states_do_not() -> None:
    asked = over_time("fedbed_cpu", "usage", by="node", where={"node": NODE})
    assert asked.text == (
        'SELECT mean("usage") FROM "fedbed_cpu" WHERE $timeFilter AND "node" =~ /^${node:regex}$/ '
        'GROUP BY time($__interval), "node" fill(null)'
    )
    assert (asked.unit, asked.alias) == ("percent", "$tag_node")
    assert "fill(none)" in over_time("fedbed_node", "state", "last").text


def test_units_come_from_the_definition() -> None:
    assert points("fedbed_round", "bytes_up").unit == "decbytes"
    assert rate("fedbed_network", "sent").unit == "Bps"
    assert over_time("fedbed_power", "power", by="rail", also_by="method").alias == (
        "$tag_rail, $tag_method"
    )


def test_conditions_of_each_kind() -> None:
    asked = recent(
        "fedbed_coordinator", "max", "memory", "1m", where={"runs_waiting": Above(0)}
    ) + recent("fedbed_node", "count", "online", "30s", by=["node"], where={"online": False})
    assert '"runs_waiting" > 0' in asked
    assert '"online" = false GROUP BY "node"' in asked
    assert "\"kind\" = 'train'" in points("fedbed_exchange", "work", where={"kind": "train"}).text
    assert rows("fedbed_event", {"what": "text"}, where={"run": RUN}, newest=5).text.endswith(
        "ORDER BY time DESC LIMIT 5"
    )
