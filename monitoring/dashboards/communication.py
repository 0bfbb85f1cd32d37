"""Communication: bytes, compression, throughput. For whoever works on codecs and networks."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from monitoring.dashboards import board
from monitoring.dashboards.board import COMMUNICATION, TO_NODE_OF_SERIES
from monitoring.dashboards.panels import HALF, QUARTER, leading_to, lines, number, per_round, shares
from monitoring.dashboards.queries import (
    NODE,
    RUN,
    Where,
    points,
    quotient,
    rate,
    table,
    values_of,
)

_RUNS = {"run": RUN}
_NODES = {"node": NODE}
_PARTS: Where = {**_RUNS, **_NODES}
_TRAINING: Where = {**_PARTS, "kind": "train"}


def build() -> Dashboard:
    """Return the dashboard."""
    return board.assemble(
        COMMUNICATION,
        since="now-3h",
        variables=[
            board.choice(RUN, "Runs", values_of("fedbed_run", "run"), many=True, newest_first=True),
            board.choice(NODE, "Nodes", values_of("fedbed_exchange", "node"), many=True),
        ],
        annotations=board.happenings(of_run=True),
        sections=[
            ("", [*_numbers(), *_rounds()]),
            ("Each node's link", _links()),
        ],
    )


def _numbers() -> Sequence[Builder[Panel]]:
    return [
        number(
            "Sent by nodes",
            "How much did updates take in this time range?",
            table("fedbed_round", {"up": ("sum", "bytes_up")}, where=_RUNS),
            width=QUARTER,
            decimals=1,
        ),
        number(
            "Sent to nodes",
            "How much did models take in this time range?",
            table("fedbed_round", {"down": ("sum", "bytes_down")}, where=_RUNS),
            width=QUARTER,
            decimals=1,
        ),
        number(
            "Compression on average",
            "How many times smaller than float32 were updates when they travelled?",
            table("fedbed_round", {"compression": ("mean", "compression")}, where=_RUNS),
            width=QUARTER,
            decimals=1,
            if_none="no round yet",
        ),
        number(
            "An upload",
            "How long did the slowest upload of an update take?",
            table("fedbed_exchange", {"upload": ("max", "upload")}, where=_TRAINING),
            width=QUARTER,
            decimals=2,
            if_none="no round yet",
        ),
    ]


def _rounds() -> Sequence[Builder[Panel]]:
    return [
        per_round(
            "Sent by nodes in a round",
            "Does traffic grow, and which run sends more?",
            points("fedbed_round", "bytes_up", by="run", where=_RUNS),
        ).min(0),
        per_round(
            "Sent to nodes in a round",
            "Are models downloaded once, or again and again?",
            points("fedbed_round", "bytes_down", by="run", where=_RUNS),
        ).min(0),
        per_round(
            "Compression",
            "How much does the codec save, and does that change as the run goes on?",
            points("fedbed_round", "compression", by="run", where=_RUNS),
        ).min(0),
        per_round(
            "Overhead of a round",
            "How much of each round passed without any node computing?",
            points("fedbed_round", "overhead", by="run", where=_RUNS),
        ).min(0),
    ]


def _links() -> Sequence[Builder[Panel]]:
    uploads = per_round(
        "Upload throughput",
        "Who sits behind a slow uplink? Bytes of an update over the time that sending it took.",
        quotient("fedbed_exchange", "bytes_up", "upload", "Bps", by="node", where=_TRAINING),
    )
    downloads = per_round(
        "Download throughput",
        "Who sits behind a slow downlink? Bytes of a model over the time that fetching it took.",
        quotient("fedbed_exchange", "bytes_down", "download", "Bps", by="node", where=_TRAINING),
    )
    received = lines(
        "All that nodes receive",
        "Is the link busy with something else than learning?",
        rate("fedbed_network", "received", by="node", where=_NODES),
    )
    sent = lines(
        "All that nodes send",
        "Is the uplink busy with something else than learning?",
        rate("fedbed_network", "sent", by="node", where=_NODES),
    )
    errors = lines(
        "Packets lost or damaged",
        "Whose network is bad?",
        rate("fedbed_network", "errors", by="node", where=_NODES),
    )
    return [
        *(leading_to(panel, TO_NODE_OF_SERIES) for panel in (uploads, downloads)),
        *(leading_to(panel, TO_NODE_OF_SERIES) for panel in (received, sent, errors)),
        shares(
            "Bytes of each node",
            "Who carries how much of the traffic?",
            table(
                "fedbed_exchange",
                {"sent": ("sum", "bytes_up"), "received": ("sum", "bytes_down")},
                by="node",
                where=_PARTS,
            ),
            label="node",
            parts=("sent", "received"),
            width=HALF,
        ),
    ]
