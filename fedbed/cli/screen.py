"""The live display's frame: a picture of a run as a rich renderable. Pure."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fedbed.cli import readings
from fedbed.cli.readings import Row
from fedbed.units import format_bytes, format_duration

STATES = {
    "join": "cyan",
    "ready": "green",
    "training": "yellow",
    "update": "magenta",
    "finish": "green",
    "offline": "red",
    "drained": "bright_black",
}
"""Node states and their colours; the word is always shown, so colour is never the only sign."""
_ACTIVE_FIRST = {"training": 0, "update": 0, "offline": 1, "join": 2}
_LEAST_TABLE = 3
"""Lines of the smallest table of nodes: its head, one node, and how many more there are."""
_LABEL = 12
"""Columns of the label at a line's left."""


def frame(run: Row, picture: Row, width: int, height: int) -> RenderableType:
    """Draw a run; the result takes at most `width` columns and `height` lines."""
    head = [
        *_above(picture, width),
        _head(run, width),
        _bar_line(run, width),
        Text(""),
        *_scores(run, width),
    ]
    foot = [Text(""), *_foot(run, picture, width)]
    nodes = readings.nodes_of(run, readings.rows(picture.get("nodes")))
    room = height - len(head) - len(foot) - 1
    table = [Text(""), *_nodes(run, nodes, width, room)] if nodes and room >= _LEAST_TABLE else []
    return Group(*[*head, *table, *foot][: None if table else height])


def _above(picture: Row, width: int) -> list[RenderableType]:
    """Say what the run is part of, where it is part of anything."""
    heading = str(picture.get("heading") or "")
    return [_fit(Text(heading, "bold"), width), Text("")] if heading else []


def bar(share: float, width: int, style: str) -> Text:
    """Draw a bar of `width` columns, filled by `share` (0 to 1) with half-column steps."""
    halves = round(max(0.0, min(1.0, share)) * width * 2)
    full, half = divmod(halves, 2)
    text = Text("━" * full, style)
    text.append("╸" * half, style)
    text.append("─" * (width - full - half), "bright_black")
    return text


def _head(run: Row, width: int) -> Text:
    title = Text(str(run.get("name") or run.get("id") or "run"), "bold")
    for more in (str(run.get("dataset") or ""), _seed(run), readings.virtual(run)):
        if more:
            title.append(f" · {more}", "not bold")
    return _ends(title, Text(readings.clock(run), "bright_black"), width)


def _bar_line(run: Row, width: int) -> Text:
    done, total = readings.steps(run)
    label = Text(readings.headline(run) + "  ", _phase_style(run))
    if not total:
        return _fit(label, width)
    percent = f" {100 * done // total:3d} %"
    room = width - label.cell_len - len(percent)
    if room < 8:
        return _fit(label, width)
    return Text.assemble(label, bar(done / total, room, _phase_style(run)), percent)


def _scores(run: Row, width: int) -> list[RenderableType]:
    metric = readings.metric_of(run)
    lines: list[RenderableType] = []
    for label, part, style in (("federated", "history", "blue"), ("centralised", "twin", "yellow")):
        values = readings.series(run.get(part), metric)
        if part == "twin" and not values:
            continue
        line = Text(f"{label:<{_LABEL}}", style)
        if not values:
            line.append(f"no {metric} yet", "bright_black")
            lines.append(_fit(line, width))
            continue
        best = readings.best(values, metric)
        line.append(f"{metric} ", "bright_black")
        line.append(f"{readings.score(values[-1], metric):>8}", "bold")
        line.append(f"  best {readings.score(best, metric)}  ", "bright_black")
        least = readings.least_span(values, metric)
        line.append(readings.sparkline(values, min(40, width - line.cell_len), least), style)
        lines.append(_fit(line, width))
    return lines


def _nodes(run: Row, nodes: list[Row], width: int, room: int) -> list[RenderableType]:
    """Show as many nodes as there is room for, the busy and the lost ones first."""
    hidden: list[Row] = []
    if len(nodes) > room - 1:
        keep = max(1, room - 2)
        order = sorted(nodes, key=lambda n: _ACTIVE_FIRST.get(str(n.get("state")), 3))
        chosen = {id(node) for node in order[:keep]}
        hidden = [node for node in nodes if id(node) not in chosen]
        nodes = [node for node in nodes if id(node) in chosen]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bright_black")
    longest = max(len(str(node.get("name"))) for node in nodes)
    names = min(max(_LABEL - 1, longest), 24, max(6, width // 4))
    table.add_column("node", width=names, no_wrap=True)
    table.add_column("state", width=8, no_wrap=True)
    bar_width = max(4, min(40, width - names - 26))
    table.add_column("progress", width=bar_width, no_wrap=True)
    table.add_column("last round", width=10, justify="right", no_wrap=True)
    took = readings.last_seconds(run)
    for node in nodes:
        table.add_row(*_node(node, took, bar_width))
    lines: list[RenderableType] = [table]
    if hidden:
        counted = Counter(str(node.get("state")) for node in hidden)
        summary = ", ".join(f"{count} {state}" for state, count in counted.most_common())
        lines.append(_fit(Text(f"and {len(hidden)} more: {summary}", "bright_black"), width))
    return lines


def _node(node: Row, took: dict[str, float], bar_width: int) -> list[Text]:
    name, state = str(node.get("name")), str(node.get("state"))
    style = STATES.get(state, "")
    share = 1.0 if state == "update" else readings.number(node.get("progress")) or 0.0
    working = state in ("training", "update")
    return [
        Text(name),
        Text(state, style),
        bar(share, bar_width, style) if working else Text(""),
        Text(format_duration(took[name]) if name in took else "-", "bright_black"),
    ]


def _foot(run: Row, picture: Row, width: int) -> list[RenderableType]:
    wait = str(run.get("wait") or "")
    away = str(picture.get("away") or "")
    up, down = int(run.get("bytes_up") or 0), int(run.get("bytes_down") or 0)
    lines: list[RenderableType] = []
    if up or down:
        traffic = f"{format_bytes(up)} up, {format_bytes(down)} down"
        lines += _labelled("traffic", traffic, "", width)
    if away:
        lines += _labelled("away", away, "red", width)
    elif wait:
        lines += _labelled("waiting", wait, "yellow", width)
    events = readings.events_of(str(run.get("id")), readings.rows(picture.get("events")))
    if picture.get("url"):
        lines += _labelled("live page", str(picture["url"]), "bright_black", width)
    if events:
        lines += _labelled("latest", str(events[-1].get("text")), "bright_black", width)
    return lines


def _labelled(label: str, text: str, style: str, width: int) -> list[RenderableType]:
    """Return a label and its text, which may take three lines: why anyone waits must be read."""
    wrapped = textwrap.wrap(
        text, max(8, width - _LABEL), max_lines=3, placeholder=" …", break_on_hyphens=False
    )
    labels = [label, "", ""]
    return [
        _fit(Text.assemble((f"{name:<{_LABEL}}", "bright_black"), (line, style)), width)
        for name, line in zip(labels, wrapped, strict=False)
    ]


def _ends(left: Text, right: Text, width: int) -> Text:
    """Put one text at the left end and one at the right end of a line."""
    gap = width - left.cell_len - right.cell_len
    if gap < 2:
        return _fit(left, width)
    return Text.assemble(left, " " * gap, right)


def _fit(text: Text, width: int) -> Text:
    text.truncate(max(1, width), overflow="ellipsis")
    text.no_wrap = True
    return text


def _seed(run: Row) -> str:
    return f"seed {run['seed']}" if run.get("kind") == "experiment" and "seed" in run else ""


def _phase_style(run: Row) -> str:
    styles: dict[Any, str] = {"failed": "red", "stopped": "red", "finished": "green"}
    return styles.get(run.get("phase"), "yellow" if run.get("phase") == "twin" else "blue")
