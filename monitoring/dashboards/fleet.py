"""Fleet: who is there, who idles, who is at its limit. For those who look after the nodes."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from monitoring.dashboards import board, shapes
from monitoring.dashboards.board import FLEET, TO_NODE, TO_NODE_OF_SERIES, TO_RUN
from monitoring.dashboards.colours import FLAG, FLEET_STATES
from monitoring.dashboards.limits import CPU, DISK, MEMORY, TEMPERATURE, Limit
from monitoring.dashboards.panels import (
    HALF,
    bars,
    column,
    leading_to,
    lines,
    listing,
    number,
    shares,
    states,
)
from monitoring.dashboards.queries import (
    NODE,
    how_many,
    largest,
    over_time,
    rows,
    table,
    values_of,
)

_OURS = {"node": NODE}
_COLUMNS = (
    "node", "state", "run", "cpu", "memory", "disk", "temperature", "gpu", "power", "throttled",
    "undervoltage", "offences", "dropped",
)  # fmt: skip
_ANY = Limit(1.0, 1.0)


def build() -> Dashboard:
    """Return the dashboard."""
    return board.assemble(
        FLEET,
        since="now-1h",
        variables=[board.choice(NODE, "Nodes", values_of("fedbed_node", "node"), many=True)],
        annotations=board.happenings(),
        sections=[
            ("", [*_numbers(), _nodes(), _doing(), _time_spent()]),
            ("Who is at its limit", _limits()),
            ("What the broker complains of", _complaints()),
        ],
    )


def _numbers() -> Sequence[Builder[Panel]]:
    online = table("fedbed_coordinator", {"online": ("last", "nodes_online")})
    waiting = table("fedbed_coordinator", {"waiting": ("last", "runs_waiting")})
    return [
        number("Online", "How many nodes are in contact?", online),
        number(
            "Training",
            "How many nodes work for a run at the moment?",
            how_many("fedbed_node", "training", True, by="node"),
        ),
        number(
            "Offline",
            "How many nodes that are known are out of contact?",
            how_many("fedbed_node", "state", "offline", by="node"),
            limit=_ANY,
        ),
        number("Runs waiting", "How many runs are in the queue?", waiting),
        number(
            "Hottest",
            "How warm is the warmest sensor of the fleet?",
            largest("fedbed_temperature", "value", "hottest", by="node", of="sensor"),
            limit=TEMPERATURE,
            decimals=0,
            calc="max",
            if_none="no sensor",
        ),
        number(
            "Fullest memory",
            "How much is taken on the node with the least memory left?",
            largest("fedbed_memory", "used", "fullest", of="node"),
            limit=MEMORY,
            decimals=0,
            if_none="none seen",
        ),
        number(
            "Fullest disk",
            "How much is taken on the node with the least room left?",
            largest("fedbed_disk", "used", "fullest", of="node"),
            limit=DISK,
            decimals=0,
            if_none="none seen",
        ),
        number(
            "Throttled",
            "How many Raspberry Pis slow themselves down at the moment?",
            how_many("fedbed_throttling", "throttled", True, by="node"),
            limit=_ANY,
        ),
    ]


def _nodes() -> Table:
    made = listing(
        "Nodes",
        "Who is there, what does each node do, and how is it? Click a name for all of that node. "
        "Power is that of the largest rail, which is the whole board where that is measured.",
        table(
            "fedbed_node",
            {"state": ("last", "state"), "run": ("last", "run"), "offences": ("last", "offences")},
            by="node",
            where=_OURS,
        ),
        table("fedbed_cpu", {"cpu": ("last", "usage")}, by="node", where=_OURS),
        table("fedbed_memory", {"memory": ("last", "used")}, by="node", where=_OURS),
        table("fedbed_disk", {"disk": ("last", "used")}, by="node", where=_OURS),
        largest("fedbed_temperature", "value", "temperature", by="node", of="sensor", where=_OURS),
        largest("fedbed_gpu", "usage", "gpu", by="node", of="gpu", where=_OURS),
        largest("fedbed_power", "power", "power", by="node", of="rail", where=_OURS),
        table(
            "fedbed_throttling",
            {"throttled": ("last", "throttled"), "undervoltage": ("last", "undervoltage")},
            by="node",
            where=_OURS,
        ),
        table("fedbed_agent", {"dropped": ("last", "dropped")}, by="node", where=_OURS),
    )
    for shape in (shapes.joined_by("node"), shapes.only(_COLUMNS), shapes.in_order(_COLUMNS)):
        made = made.with_transformation(shape)
    made = column(made, "node", link=TO_NODE)
    made = column(made, "run", link=TO_RUN)
    made = column(made, "state", colours=FLEET_STATES)
    for name, limit in (("cpu", CPU), ("memory", MEMORY), ("disk", DISK), ("gpu", CPU)):
        made = column(made, name, unit="percent", limit=limit, decimals=0, gauge=True)
    made = column(made, "temperature", unit="celsius", limit=TEMPERATURE, decimals=0)
    made = column(made, "power", unit="watt", decimals=1)
    for name in ("throttled", "undervoltage"):
        made = column(made, name, colours=FLAG)
    for name in ("offences", "dropped"):
        made = column(made, name, limit=_ANY, decimals=0)
    return made


def _doing() -> Builder[Panel]:
    return states(
        "What every node does",
        "Who trained when, who idled, who was away?",
        over_time("fedbed_node", "state", "last", by="node", where=_OURS),
        colours=FLEET_STATES,
        width=16,
    )


def _time_spent() -> Builder[Panel]:
    spent = ("wait", "download", "start", "decode", "work", "encode", "upload")
    return shares(
        "Where the nodes' time went",
        "Who waits, and who works? Seconds of all parts of rounds in this time range: much waiting "
        "beside others' work means an idle node.",
        table(
            "fedbed_exchange",
            {phase: ("sum", phase) for phase in spent},
            by="node",
            where=_OURS,
        ),
        label="node",
        parts=spent,
        width=8,
    )


def _limits() -> Sequence[Builder[Panel]]:
    panels = [
        lines(
            "Processor",
            "Who has no processor time left?",
            over_time("fedbed_cpu", "usage", by="node", where=_OURS),
            limit=CPU,
        ),
        lines(
            "Memory",
            "Whose memory runs out?",
            over_time("fedbed_memory", "used", by="node", where=_OURS),
            limit=MEMORY,
        ),
        lines(
            "Disk",
            "Whose disk fills up?",
            over_time("fedbed_disk", "used", "max", by="node", where=_OURS),
            limit=DISK,
        ),
        lines(
            "Temperature",
            "Who gets too warm? The warmest sensor of each node.",
            over_time("fedbed_temperature", "value", "max", by="node", where=_OURS),
            limit=TEMPERATURE,
        ),
        lines(
            "Graphics processor",
            "Whose graphics processor is busy?",
            over_time("fedbed_gpu", "usage", by="node", where=_OURS),
            limit=CPU,
        ),
    ]
    throttled = states(
        "Who was throttled",
        "Which Raspberry Pi slowed itself down, and when?",
        over_time("fedbed_throttling", "throttled", "last", by="node", where=_OURS),
        colours=FLAG,
        width=HALF,
    )
    return [*(leading_to(panel, TO_NODE_OF_SERIES) for panel in panels), throttled]


def _complaints() -> Sequence[Builder[Panel]]:
    return [
        bars(
            "Complaints of the broker",
            "Does a client send what the broker refuses: too large, malformed, without a right?",
            over_time("fedbed_broker", "text", "count", by="level"),
            stacked=True,
        ),
        listing(
            "What it said",
            "Which client was cut off or refused, and why? N: notice, W: warning, E: error.",
            rows("fedbed_broker", {"level": "level", "what": "text"}, newest=100),
            width=HALF,
            height=8,
        ),
    ]
