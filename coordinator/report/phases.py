"""Where a round's time went, from the timelines of its nodes. No drawing."""

from __future__ import annotations

from statistics import median, median_low
from typing import NamedTuple

from fedbed.reporting.reading import (
    Row,
    mapping,
    node_names,
    number,
    partition_of,
    rounds,
    rows,
    text,
)

NODE_PHASES = (
    ("wait", ("wait_s",)),
    ("download", ("download_s",)),
    ("prepare", ("start_s", "decode_s")),
    ("work", ("work_s",)),
    ("prepare", ("encode_s",)),
    ("upload", ("upload_s",)),
)
"""Phases of a node in the order they happen, with the timeline's keys that make them up."""
PHASES = ("work", "prepare", "download", "upload", "wait", "aggregate", "evaluate", "rest")
"""All phases of a round, in the order in which a bar stacks them."""
TITLES = {
    "work": "work on the node",
    "prepare": "start, decode, encode",
    "download": "download",
    "upload": "upload",
    "wait": "wait",
    "aggregate": "aggregation",
    "evaluate": "evaluation",
    "rest": "rest of the round",
}


class Span(NamedTuple):
    """A phase and its duration in seconds."""

    phase: str
    seconds: float


class Typical(NamedTuple):
    """The real nodes of one round, and what the coordinator did after them."""

    round: int
    nodes: list[tuple[str, list[Span]]]
    centre: list[Span]


def node_spans(node: Row) -> list[Span]:
    """Return a node's phases in order, without those of no duration."""
    timeline = {**mapping(node.get("timeline"))}
    if number(timeline.get("upload_s")) is None:
        timeline["upload_s"] = node.get("upload_s")
    spans = []
    for phase, keys in NODE_PHASES:
        taken = sum(max(number(timeline.get(key)) or 0, 0) for key in keys)
        if taken > 0:
            spans.append(Span(phase, taken))
    return spans


def round_parts(row: Row) -> dict[str, float]:
    """Return seconds by phase of one round: the path of its longest node, then the coordinator.

    `rest` fills up to the round's `wall_s`, where the parts leave something.
    """
    paths = _paths(row)
    longest = max(paths.values(), key=lambda path: sum(s.seconds for s in path), default=[])
    parts = dict.fromkeys(PHASES, 0.0)
    for phase, taken in longest + centre_spans(row):
        parts[phase] += taken
    wall = number(row.get("wall_s"))
    if wall is not None:
        parts["rest"] = max(wall - sum(parts.values()), 0.0)
    return parts


def centre_spans(row: Row) -> list[Span]:
    """Return what the coordinator did in a round, in order."""
    found = []
    for phase in ("aggregate", "evaluate"):
        taken = number(row.get(f"{phase}_s"))
        if taken is not None and taken > 0:
            found.append(Span(phase, taken))
    return found


def all_parts(result: Row) -> list[tuple[int, dict[str, float]]]:
    """Return (round, seconds by phase) of every round in which anything took time."""
    found = [(index, round_parts(row)) for index, row in rounds(result)]
    return [(index, parts) for index, parts in found if sum(parts.values()) > 0]


def medians(parts: list[tuple[int, dict[str, float]]]) -> list[Span]:
    """Return the median seconds of each phase that occurs, in stacking order."""
    found = []
    for phase in PHASES:
        taken = [of[phase] for _, of in parts]
        if any(taken):
            found.append(Span(phase, median(taken)))
    return found


def typical(result: Row) -> Typical | None:
    """Return the round of median length among those with timelines; None where there is none."""
    timed = [
        (number(row.get("wall_s")) or 0.0, index, row)
        for index, row in rounds(result)
        if any(node_spans(node) for node in rows(row.get("nodes")))
    ]
    if not timed:
        return None
    middle = median_low([wall for wall, _, _ in timed])
    # Of several rounds of that length the last: the first round also starts the workers.
    _, index, row = [entry for entry in timed if entry[0] == middle][-1]
    names = node_names(result)
    nodes = [(names.get(key, key), spans) for key, spans in _paths(row).items() if spans]
    return Typical(index, nodes, centre_spans(row))


def _paths(row: Row) -> dict[str, list[Span]]:
    """Return the phases of each real node of a round: by partition, by name where it plays several.

    Virtual nodes take turns on their node, so what they did stands end to end.
    """
    found: dict[str, list[Span]] = {}
    for node in sorted(rows(row.get("nodes")), key=lambda node: number(node.get("partition")) or 0):
        place = text(node.get("host")) or partition_of(node)
        found.setdefault(place, []).extend(node_spans(node))
    return found
