"""Who was asked in which round, who delivered, who was late: a small heat map, and the reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from coordinator.report.curves import Plot
from coordinator.runs.window import TOO_LATE
from fedbed.reporting import drawing
from fedbed.reporting.drawing import Box
from fedbed.reporting.reading import (
    Row,
    items,
    mapping,
    node_names,
    partition_of,
    rounds,
    rows,
    text,
)

_MOST_NODES = 100
_ROOMY = 24
"""Up to so many nodes each row has its name; of more, every tenth."""
_NAMED = 8
"""A reason names up to so many nodes, and counts others."""
COLOURS = {"there": "federated", "late": "upload", "missing": "bad"}


class Cell(NamedTuple):
    """What a node, by its place in the drawing, was in a round: there, late or missing."""

    round: int
    place: int
    state: str


def cells(result: Row) -> list[Cell]:
    """Return the cells of all nodes that were asked, in the order of rounds."""
    places = {key: place for place, key in enumerate(node_names(result))}
    found = []
    for index, row in rounds(result):
        states = {partition_of(node): "there" for node in rows(row.get("nodes"))}
        for key, why in mapping(row.get("missing")).items():
            states[str(key)] = "late" if why == TOO_LATE else "missing"
        found += [Cell(index, places[key], state) for key, state in states.items()]
    return found


def draw(result: Row) -> Plot | None:
    """Draw who took part in which round; None where there are no rows of nodes."""
    names = list(node_names(result).values())
    kept = names[:_MOST_NODES]
    shown = [cell for cell in cells(result) if cell.place < len(kept)]
    if not shown or not kept:
        return None
    roomy = len(kept) <= _ROOMY
    height = 56 + 20.0 * max(len(kept), 3) if roomy else 56 + 7.0 * len(kept)
    with drawing.figure(height) as (drawn, axes):
        for state, colour in COLOURS.items():
            hollow = state == "missing"
            wide, high = (0.36, 0.32) if hollow else (0.4, 0.36)
            boxes = [
                Box(cell.round - wide, cell.place - high, 2 * wide, 2 * high)
                for cell in shown
                if cell.state == state
            ]
            drawing.boxes(axes, boxes, colour, hollow=hollow)
        drawing.bars_axes(axes, [index for index, _ in rounds(result)], grid=False)
        drawing.lanes(axes, kept, every=1 if roomy else 10)
        svg = drawing.to_svg(drawn, "nodes", "Which nodes took part in which round")
    note = f"The first {len(kept)} of {len(names)} nodes." if len(names) > len(kept) else ""
    return Plot("Node by node", svg, note)


def reasons(result: Row) -> list[tuple[str, str]]:
    """Return (round, whom it asked and why) of the rounds whose nodes were selected."""
    names = node_names(result)
    found = []
    for index, row in rounds(result):
        groups = items(mapping(row.get("selection")).get("because"))
        told = [_told(group, names) for group in groups]
        if any(told):
            found.append((str(index), "; ".join(filter(None, told))))
    return found


def _told(group: object, names: Mapping[str, str]) -> str:
    pair = items(group)
    if len(pair) != 2:
        return ""
    who = [names.get(text(p), f"node {text(p)}") for p in items(pair[1])]
    return f"{_listed(who)} ({text(pair[0])})" if who else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _NAMED else f"{len(names)} nodes"
