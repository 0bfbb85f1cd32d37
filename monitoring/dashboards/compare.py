"""Compare: federated against centralised, and several runs. For whoever decides between them."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.trend import Panel as Trend
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, DynamicConfigValue, Panel

from monitoring.dashboards import board, shapes
from monitoring.dashboards.board import COMPARE, TO_RUN_IN_ITS_TIME
from monitoring.dashboards.colours import RUN_STATES
from monitoring.dashboards.panels import HALF, column, listing, over_rounds
from monitoring.dashboards.queries import RUN, rows, table, values_of

_THEM = {"run": RUN}
_COLUMNS = (
    "run", "name", "task", "data", "strategy", "state", "rounds", "best", "last", "centralised",
    "time in rounds", "processor time", "sent up", "sent down", "begun", "ended",
)  # fmt: skip


def build() -> Dashboard:
    """Return the dashboard."""
    return board.assemble(
        COMPARE,
        since="now-7d",
        refresh="1m",
        variables=[
            board.choice(RUN, "Runs", values_of("fedbed_run", "run"), many=True, newest_first=True)
        ],
        annotations=[],
        sections=[("", [_runs(), *_curves()])],
    )


def _runs() -> Table:
    made = listing(
        "Runs",
        "Which run reached how much, at what cost? Click a run for all of it. Processor time is "
        "that of all nodes' training and testing.",
        table("fedbed_run", {"first": ("first", "round")}, by="run", where=_THEM),
        table("fedbed_run", {"latest": ("last", "round")}, by="run", where=_THEM),
        table(
            "fedbed_run",
            {
                "name": ("last", "name"),
                "task": ("last", "task"),
                "data": ("last", "dataset"),
                "strategy": ("last", "strategy"),
                "state": ("last", "state"),
            },
            by="run",
            where=_THEM,
        ),
        table(
            "fedbed_round",
            {
                "rounds": ("count", "round"),
                "best": ("max", "metric"),
                "last": ("last", "metric"),
                "time in rounds": ("sum", "duration"),
                "sent up": ("sum", "bytes_up"),
                "sent down": ("sum", "bytes_down"),
            },
            by="run",
            where=_THEM,
        ),
        table("fedbed_twin", {"centralised": ("last", "metric")}, by="run", where=_THEM),
        table("fedbed_exchange", {"processor time": ("sum", "cpu")}, by="run", where=_THEM),
    )
    for shape in (
        shapes.time_called("begun", "A"),
        shapes.time_called("ended", "B"),
        shapes.joined_by("run"),
        shapes.only(_COLUMNS),
        shapes.in_order(_COLUMNS),
    ):
        made = made.with_transformation(shape)
    made = column(made, "run", link=TO_RUN_IN_ITS_TIME)
    made = column(made, "state", colours=RUN_STATES)
    for name in ("best", "last", "centralised"):
        made = column(made, name, unit="percentunit", decimals=2)
    for name in ("time in rounds", "processor time"):
        made = column(made, name, unit="s", decimals=0)
    for name in ("sent up", "sent down"):
        made = column(made, name, unit="decbytes", decimals=1)
    for name in ("begun", "ended"):
        made = column(made, name, unit="dateTimeAsIso")
    return made


def _curves() -> Sequence[Builder[Panel]]:
    return [
        _curve(
            "How good the model is",
            "Which run learns faster, and which gets further? Dashed names are centralised twins.",
            "metric",
            "percentunit",
            with_twins=True,
        ),
        _curve(
            "Loss",
            "Which run converges, on the test set?",
            "loss",
            "short",
            with_twins=True,
        ),
        _curve("How long a round takes", "Which run is quicker, round by round?", "duration", "s"),
        _curve(
            "Sent by nodes in a round",
            "Which run needs less of the network, round by round?",
            "bytes_up",
            "decbytes",
        ),
    ]


def _curve(title: str, answers: str, field: str, unit: str, with_twins: bool = False) -> Trend:
    """Draw a field of all runs' rounds over the number of the round."""
    names = ["federated", "centralised"] if with_twins else [title.lower()]
    sources = ["fedbed_round", "fedbed_twin"][: len(names)]
    queries = [
        rows(source, {"run": "run", "round": "round", name: field}, where=_THEM)
        for source, name in zip(sources, names, strict=True)
    ]
    made = over_rounds(title, answers, *queries, x="round", unit=unit, width=HALF)
    for shape in (
        shapes.only(["run", "round", *names]),
        shapes.merged(),
        shapes.split_by("run"),
        shapes.joined_by("round"),
    ):
        made = made.with_transformation(shape)
    # What is set for all fields is the numbers' of rounds as well, unless told otherwise.
    made = made.override_by_name(
        "round",
        [
            DynamicConfigValue("displayName", "round"),
            DynamicConfigValue("unit", "none"),
            DynamicConfigValue("custom.axisLabel", "round"),
        ],
    )
    for name in names:
        label = "${__field.labels.run}" + (f" {name}" if with_twins else "")
        made = made.override_by_name(name, [DynamicConfigValue("displayName", label)])
    if with_twins:
        dashed = DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [6, 6]})
        made = made.override_by_name("centralised", [dashed])
    return made
