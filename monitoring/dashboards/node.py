"""Node: all of one. For whoever found it in Fleet or got an alert of it."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from monitoring.dashboards import board
from monitoring.dashboards.board import NODE as PAGE
from monitoring.dashboards.colours import FLAG, FLEET_STATES, NODE_STATES
from monitoring.dashboards.limits import CPU, DISK, MEMORY, TEMPERATURE
from monitoring.dashboards.panels import (
    HALF,
    HIDDEN,
    QUARTER,
    THIRD,
    bars,
    lines,
    listing,
    number,
    states,
)
from monitoring.dashboards.queries import (
    NODE,
    Query,
    largest,
    over_time,
    points,
    rate,
    table,
    values_of,
)

_IT = {"node": NODE}


def build() -> Dashboard:
    """Return the dashboard."""
    return board.assemble(
        PAGE,
        since="now-1h",
        variables=[board.choice(NODE, "Node", values_of("fedbed_node", "node"))],
        annotations=board.happenings(of_node=True),
        sections=[
            ("", [*_numbers(), *_doing()]),
            ("Computing", _computing()),
            ("Heat and power", _heat()),
            ("Disk and network", _moving()),
            ("The agent itself", _agent()),
        ],
    )


def _numbers() -> Sequence[Builder[Panel]]:
    return [
        number(
            "State",
            "What is it doing, by the coordinator's knowledge?",
            table("fedbed_node", {"state": ("last", "state")}, where=_IT),
            field="state",
            colours=FLEET_STATES,
            if_none="unknown",
        ),
        number(
            "Round",
            "Which round does it work on? 0 without one.",
            _last("fedbed_state", "round"),
        ),
        number("Cores", "How many logical cores does it have?", _last("fedbed_cpu", "cores")),
        number(
            "Memory built in",
            "How much memory does it have?",
            _last("fedbed_memory", "total"),
            decimals=1,
        ),
        number(
            "Memory taken",
            "How full is its memory?",
            _last("fedbed_memory", "used"),
            limit=MEMORY,
            decimals=0,
        ),
        number(
            "Disk taken",
            "How full is the disk that the agent works on?",
            _last("fedbed_disk", "used"),
            limit=DISK,
            decimals=0,
        ),
        number(
            "Warmest",
            "How warm is its warmest sensor?",
            largest("fedbed_temperature", "value", "warmest", of="sensor", where=_IT),
            limit=TEMPERATURE,
            decimals=0,
            if_none="no sensor",
        ),
        number(
            "Offences",
            "How many of its updates were refused? Three of them set it aside.",
            _last("fedbed_node", "offences"),
        ),
    ]


def _doing() -> Sequence[Builder[Panel]]:
    board_is = listing(
        "What it is",
        "Which board is it, and what is it set to?",
        table(
            "fedbed_board",
            {"model": ("last", "model"), "power mode": ("last", "power_mode")},
            where=_IT,
        ),
        width=THIRD,
        height=4,
    )
    return [
        board_is.override_by_name("Time", [HIDDEN]),
        states(
            "What it does",
            "When was it idle, downloading, training, uploading or away, as it says itself?",
            over_time("fedbed_state", "state", "last", where=_IT),
            colours=NODE_STATES,
            width=16,
            height=4,
        ),
    ]


def _computing() -> Sequence[Builder[Panel]]:
    return [
        lines(
            "Processor",
            "How busy are its cores?",
            over_time("fedbed_cpu", "usage", where=_IT, alias="all cores"),
            limit=CPU,
            width=THIRD,
        ),
        lines(
            "Load",
            "How many processes run or want to? More than cores means a queue.",
            over_time("fedbed_cpu", "load1", where=_IT, alias="load"),
            over_time("fedbed_cpu", "cores", "max", where=_IT, alias="cores"),
            width=THIRD,
        ),
        lines(
            "Clock rate",
            "Does it slow down under load?",
            over_time("fedbed_cpu", "frequency", where=_IT, alias="processor"),
            over_time("fedbed_gpu", "frequency", by="gpu", where=_IT, alias="graphics $tag_gpu"),
            width=THIRD,
        ),
        lines(
            "Memory",
            "Does its memory run out, and does it swap?",
            over_time("fedbed_memory", "total", "max", where=_IT, alias="built in"),
            over_time("fedbed_memory", "available", where=_IT, alias="available"),
            over_time("fedbed_memory", "swap_used", where=_IT, alias="swapped out"),
            width=THIRD,
        ),
        lines(
            "Training processes",
            "How much processor time does training itself take? Percent of one core.",
            over_time("fedbed_worker", "cpu", by="run", where=_IT),
            width=THIRD,
        ),
        lines(
            "Memory of training",
            "How much memory does each run take on it?",
            over_time("fedbed_worker", "memory", "max", by="run", where=_IT),
            width=THIRD,
        ),
        lines(
            "Graphics processor",
            "Is its graphics processor used?",
            over_time("fedbed_gpu", "usage", by="gpu", where=_IT),
            over_time(
                "fedbed_gpu",
                "memory_bandwidth",
                by="gpu",
                where=_IT,
                alias="memory bandwidth of $tag_gpu",
            ),
            limit=CPU,
        ),
        lines(
            "Memory of the graphics processor",
            "Does the model fit into it?",
            over_time("fedbed_gpu", "memory_used", "max", by="gpu", where=_IT),
        ),
    ]


def _heat() -> Sequence[Builder[Panel]]:
    flags = ("throttled", "capped", "soft_limit", "undervoltage")
    return [
        lines(
            "Temperature",
            "How warm is each of its sensors?",
            over_time("fedbed_temperature", "value", "max", by="sensor", where=_IT),
            limit=TEMPERATURE,
        ),
        lines(
            "Power",
            "What does it draw? Rails may be part of one another; modelled is no measurement.",
            over_time("fedbed_power", "power", by="rail", also_by="method", where=_IT),
        ),
        states(
            "Throttling",
            "Did a Raspberry Pi slow itself down, and was it heat or the power supply?",
            *(over_time("fedbed_throttling", flag, "last", where=_IT) for flag in flags),
            colours=FLAG,
            width=HALF,
            height=6,
        ),
        bars(
            "Processor time of its work",
            "How much processor time did each of its parts of a round cost it?",
            points("fedbed_exchange", "cpu", by="kind", where=_IT),
            height=6,
        ),
    ]


def _moving() -> Sequence[Builder[Panel]]:
    return [
        lines(
            "Disk",
            "Does the agent's disk fill up?",
            over_time("fedbed_disk", "used", "max", where=_IT, alias="taken"),
            limit=DISK,
            width=THIRD,
        ),
        lines(
            "Disk traffic",
            "How much does it read and write?",
            rate("fedbed_disk", "read", where=_IT),
            rate("fedbed_disk", "written", where=_IT),
            width=THIRD,
        ),
        lines(
            "Network",
            "How much does it receive and send, for whatever purpose?",
            rate("fedbed_network", "received", where=_IT),
            rate("fedbed_network", "sent", where=_IT),
            width=THIRD,
        ),
    ]


def _agent() -> Sequence[Builder[Panel]]:
    return [
        lines(
            "Agent: processor",
            "What does being watched cost? Percent of one core.",
            over_time("fedbed_agent", "cpu", where=_IT, alias="agent"),
            width=QUARTER,
        ),
        lines(
            "Agent: memory",
            "How much memory does the agent take?",
            over_time("fedbed_agent", "memory", "max", where=_IT, alias="agent"),
            width=QUARTER,
        ),
        lines(
            "Samples",
            "Do samples wait, and were any given up? Probes that failed count as well.",
            over_time("fedbed_agent", "waiting", "max", where=_IT, alias="waiting"),
            over_time("fedbed_agent", "dropped", "max", where=_IT, alias="given up"),
            over_time("fedbed_agent", "failures", "max", where=_IT, alias="probes failed"),
            width=QUARTER,
        ),
        lines(
            "Clock offset",
            "How far is its clock ahead of the coordinator's? Samples are corrected by it.",
            over_time("fedbed_agent", "clock_offset", where=_IT, alias="ahead"),
            width=QUARTER,
            signed=True,
        ),
    ]


def _last(source: str, field: str) -> Query:
    return table(source, {field: ("last", field)}, where=_IT)
