"""Drawings of what happened within rounds: time, one round's nodes, bytes."""

from __future__ import annotations

from coordinator.report.curves import Plot
from coordinator.report.phases import PHASES, Span, Typical
from fedbed.reporting import drawing
from fedbed.reporting.drawing import Box
from fedbed.reporting.reading import Row, number, rounds

_MOST_NODES = 24
"""The drawing by node shows so many rows at most."""


def time_by_round(parts: list[tuple[int, dict[str, float]]]) -> Plot:
    """Draw one stacked bar per round, in seconds."""
    with drawing.figure(260) as (drawn, axes):
        stacks: dict[str, list[Box]] = {phase: [] for phase in PHASES}
        highest = 0.0
        for index, of in parts:
            base = 0.0
            for phase in PHASES:
                if of[phase] > 0:
                    stacks[phase].append(Box(index - 0.4, base, 0.8, of[phase]))
                    base += of[phase]
            highest = max(highest, base)
        for phase, wanted in stacks.items():
            drawing.boxes(axes, wanted, phase)
        drawing.bars_axes(axes, [index for index, _ in parts])
        axes.set_ylim(0, highest * 1.05)
        axes.set_ylabel("seconds")
        svg = drawing.to_svg(drawn, "time", "Seconds per round, by what they were spent on")
    return Plot("Each round", svg)


def gantt(typical: Typical) -> Plot:
    """Draw the phases of each node in one round, end to end, then the coordinator's."""
    shown = typical.nodes
    note = ""
    if len(shown) > _MOST_NODES:
        slowest = sorted(shown, key=lambda entry: -_total(entry[1]))[:_MOST_NODES]
        shown = [entry for entry in shown if entry in slowest]
        note = f"The {_MOST_NODES} slowest of {len(typical.nodes)} nodes."
    lanes = [(name, 0.0, spans) for name, spans in shown]
    if typical.centre:
        begin = max(_total(spans) for _, spans in typical.nodes)
        lanes.append(("coordinator", begin, typical.centre))
    with drawing.figure(max(260.0, 62 + 20 * len(lanes))) as (drawn, axes):
        wanted: dict[str, list[Box]] = {phase: [] for phase in PHASES}
        end = 0.0
        for lane, (_, begin, spans) in enumerate(lanes):
            at = begin
            for phase, taken in spans:
                wanted[phase].append(Box(at, lane - 0.34, taken, 0.68))
                at += taken
            end = max(end, at)
        for phase, group in wanted.items():
            drawing.boxes(axes, group, phase)
        drawing.lanes(axes, [name for name, _, _ in lanes])
        axes.set_xlim(0, end * 1.02)
        axes.grid(axis="x")
        axes.set_xlabel("seconds")
        label = f"Phases of each node in round {typical.round}"
        svg = drawing.to_svg(drawn, "gantt", label)
    return Plot(f"Round {typical.round}, node by node", svg, note)


def traffic(result: Row) -> Plot | None:
    """Draw bytes down (below) and up (above) per round; None where none were counted."""
    history = rounds(result)
    up = [(index, number(row.get("bytes_up")) or 0) for index, row in history]
    down = [(index, number(row.get("bytes_down")) or 0) for index, row in history]
    most = max((value for _, value in up + down), default=0)
    if most <= 0:
        return None
    scale, unit = next(
        (size, name)
        for size, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "bytes"))
        if most >= size or size == 1.0
    )
    with drawing.figure(200) as (drawn, axes):
        drawing.boxes(axes, [Box(i - 0.4, 0, 0.38, value / scale) for i, value in down], "download")
        drawing.boxes(axes, [Box(i + 0.02, 0, 0.38, value / scale) for i, value in up], "upload")
        drawing.bars_axes(axes, [index for index, _ in history])
        axes.set_ylim(0, most / scale * 1.08)
        axes.set_ylabel(unit)
        svg = drawing.to_svg(drawn, "bytes", "Bytes to and from the nodes in each round")
    return Plot("Each round", svg)


def _total(spans: list[Span]) -> float:
    return sum(span.seconds for span in spans)
