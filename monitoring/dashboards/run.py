"""Run: how well one run learns, and where its time goes. For whoever started it."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from monitoring.dashboards import board
from monitoring.dashboards.board import RUN_PAGE, TO_NODE, TO_NODE_OF_SERIES
from monitoring.dashboards.colours import PHASES, RUN_STATES
from monitoring.dashboards.limits import CPU, MEMORY, TEMPERATURE
from monitoring.dashboards.panels import (
    FULL,
    HALF,
    HIDDEN,
    column,
    leading_to,
    lines,
    listing,
    number,
    per_round,
    shares,
    states,
)
from monitoring.dashboards.queries import (
    NODE,
    RUN,
    Query,
    Where,
    over_time,
    points,
    rows,
    table,
    values_of,
)

_IT: Where = {"run": RUN}
_ITS_NODES: Where = {"node": NODE}
_ITS_PARTS: Where = {"run": RUN, "node": NODE, "kind": "train"}


def build() -> Dashboard:
    """Return the dashboard."""
    return board.assemble(
        RUN_PAGE,
        since="now-3h",
        variables=[
            board.choice(RUN, "Run", values_of("fedbed_run", "run"), newest_first=True),
            board.choice(NODE, "Nodes", values_of("fedbed_phase", "node", where=_IT), many=True),
        ],
        annotations=board.happenings(of_run=True),
        sections=[
            ("", [*_numbers(), _what(), *_learning()]),
            ("Where each round's time goes", _time()),
            ("Who did what, and what happened", _facts()),
        ],
    )


def _numbers() -> Sequence[Builder[Panel]]:
    return [
        number(
            "State",
            "Does it wait, run, or is it over?",
            table("fedbed_run", {"state": ("last", "state")}, where=_IT),
            field="state",
            colours=RUN_STATES,
            if_none="unknown",
        ),
        number(
            "Rounds",
            "How many rounds are done, of how many?",
            table(
                "fedbed_run",
                {"done": ("last", "round"), "planned": ("last", "rounds")},
                where=_IT,
            ),
        ),
        number(
            "Now",
            "How good is the global model after the last round? Accuracy, or mean IoU.",
            _of_rounds("last", "metric"),
            unit="percentunit",
            decimals=2,
            if_none="no round yet",
        ),
        number(
            "Best",
            "How good was it at its best?",
            _of_rounds("max", "metric"),
            unit="percentunit",
            decimals=2,
            if_none="no round yet",
        ),
        number(
            "Centralised",
            "How good is its twin, which saw as many samples in one place?",
            table("fedbed_twin", {"metric": ("last", "metric")}, where=_IT),
            unit="percentunit",
            decimals=2,
            if_none="no twin yet",
        ),
        number(
            "Participants",
            "How many updates counted in the last round?",
            _of_rounds("last", "participants"),
        ),
        number(
            "A round",
            "How long does a round take on average?",
            _of_rounds("mean", "duration"),
            decimals=1,
            if_none="no round yet",
        ),
        number(
            "Sent by nodes",
            "How much have the nodes sent so far?",
            _of_rounds("sum", "bytes_up"),
            decimals=1,
        ),
    ]


def _what() -> Builder[Panel]:
    names = {"name": "name", "task": "task", "data": "dataset", "strategy": "strategy"}
    made = listing(
        "What it is",
        "What learns what, from what, and how?",
        table("fedbed_run", {name: ("last", field) for name, field in names.items()}, where=_IT),
        height=4,
    )
    return made.override_by_name("Time", [HIDDEN])


def _learning() -> Sequence[Builder[Panel]]:
    return [
        per_round(
            "How good the model is",
            "Does it still learn, and does it keep up with its centralised twin? Accuracy, or mean "
            "IoU, on the test set.",
            points("fedbed_round", "metric", where=_IT, alias="federated"),
            points("fedbed_twin", "metric", where=_IT, alias="centralised"),
            unit="percentunit",
        ),
        per_round(
            "Loss",
            "Does it converge, or does it learn its training samples by heart?",
            points("fedbed_round", "loss", where=_IT, alias="federated"),
            points("fedbed_round", "train_loss", where=_IT, alias="on the nodes, in training"),
            points("fedbed_twin", "loss", where=_IT, alias="centralised"),
        ),
        per_round(
            "Participation",
            "Whose work counts? Those asked but not in came late, were lost, or were refused.",
            points("fedbed_round", "asked", where=_IT, alias="asked"),
            points("fedbed_round", "participants", where=_IT, alias="counted"),
        ).min(0),
        per_round(
            "How long a round takes",
            "Do rounds run into their deadline? Overhead is time in which no node computed.",
            points("fedbed_round", "duration", where=_IT, alias="duration"),
            points("fedbed_round", "limit", where=_IT, alias="closes at the latest"),
            points("fedbed_round", "overhead", where=_IT, alias="overhead"),
            points("fedbed_round", "aggregation", where=_IT, alias="putting together"),
        ).min(0),
    ]


def _time() -> Sequence[Builder[Panel]]:
    gantt = states(
        "The rounds as a Gantt chart",
        "Who waited for whom? Each node's downloading, training and uploading; zoom in on a round.",
        points("fedbed_phase", "phase", by="node", where={**_IT, **_ITS_NODES}),
        colours=PHASES,
        height=10,
        shares_axis=True,
    )
    below = [
        lines(
            "Processor",
            "Was a straggler busy with something else?",
            over_time("fedbed_cpu", "usage", by="node", where=_ITS_NODES),
            limit=CPU,
            width=FULL,
            height=6,
            shares_axis=True,
        ),
        lines(
            "Memory",
            "Did a node run out of memory while it trained?",
            over_time("fedbed_memory", "used", by="node", where=_ITS_NODES),
            limit=MEMORY,
            width=FULL,
            height=6,
            shares_axis=True,
        ),
        lines(
            "Graphics processor",
            "Did training use it?",
            over_time("fedbed_gpu", "usage", by="node", where=_ITS_NODES),
            limit=CPU,
            width=FULL,
            height=6,
            shares_axis=True,
        ),
        lines(
            "Temperature",
            "Did training heat a node until it slowed down? Each node's warmest sensor.",
            over_time("fedbed_temperature", "value", "max", by="node", where=_ITS_NODES),
            limit=TEMPERATURE,
            width=FULL,
            height=6,
            shares_axis=True,
        ),
        lines(
            "Power",
            "What did training draw? Each node's largest rail; modelled is no measurement.",
            over_time(
                "fedbed_power", "power", "max", by="node", also_by="method", where=_ITS_NODES
            ),
            width=FULL,
            height=6,
            shares_axis=True,
        ),
    ]
    return [gantt, *(leading_to(panel, TO_NODE_OF_SERIES) for panel in below)]


def _facts() -> Sequence[Builder[Panel]]:
    parts = table(
        "fedbed_exchange",
        {
            "samples": ("sum", "samples"),
            "wait": ("mean", "wait"),
            "work": ("mean", "work"),
            "upload": ("mean", "upload"),
            "cpu": ("sum", "cpu"),
            "peak memory": ("max", "peak_memory"),
            "sent": ("sum", "bytes_up"),
            "train loss": ("last", "train_loss"),
        },
        by="node",
        where=_ITS_PARTS,
    )
    nodes = listing(
        "What each node did for it",
        "Who carries the run, who holds it up, and what does it cost whom? Waiting, work and "
        "upload are means of a round, the rest is of all rounds. Click a name for all of that "
        "node.",
        parts,
        width=FULL,
        height=8,
    )
    nodes = column(nodes, "node", link=TO_NODE)
    for name in ("wait", "work", "upload", "cpu"):
        nodes = column(nodes, name, unit="s", decimals=1)
    for name in ("peak memory", "sent"):
        nodes = column(nodes, name, unit="decbytes", decimals=1)
    nodes = column(nodes, "train loss", decimals=4)
    spent = ("wait", "download", "start", "decode", "work", "encode", "upload")
    return [
        nodes.override_by_name("Time", [HIDDEN]),
        shares(
            "Where the nodes' time went",
            "What would make rounds shorter: faster nodes, a faster network, or fewer stragglers?",
            table(
                "fedbed_exchange",
                {phase: ("sum", phase) for phase in spent},
                by="node",
                where={**_IT, **_ITS_NODES},
            ),
            label="node",
            parts=spent,
        ),
        listing(
            "What happened",
            "Which rounds ended, which nodes came and went, and what went wrong?",
            rows(
                "fedbed_event",
                {"kind": "kind", "node": "node", "what": "text"},
                where=_IT,
                newest=200,
            ),
            width=HALF,
            height=8,
        ),
    ]


def _of_rounds(how: str, field: str) -> Query:
    return table("fedbed_round", {field: (how, field)}, where=_IT)
