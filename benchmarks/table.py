"""Rows as a table: on a terminal, and in Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.rows import Row

HEADS = ("measured", "ours", "peer", "ratio", "goal", "")
WIDTH = 100
PEER_WIDTH = 18
VERDICTS = {True: "ok", False: "MISSED"}
STYLES = {"ok": "green", "MISSED": "bold red"}


def cells(row: Row) -> tuple[str, str, str, str, str, str]:
    """Return the texts of a row, in the order of `HEADS`."""
    ours = "not measured" if row.ours is None else f"{figure(row.ours)} {row.unit}".strip()
    peer = "" if row.peer is None else f"{figure(row.peer)} {row.unit}, {row.peer_name}"
    ratio = "" if row.ratio is None else f"{figure(row.ratio)} x"
    return (row.what, ours, peer, ratio, goal(row), verdict(row))


def goal(row: Row) -> str:
    """Return what the row had to reach, such as "<= 1.5 s"; empty without a goal."""
    if row.goal is None:
        return ""
    sign = ">=" if row.at_least else "<="
    return f"{sign} {row.goal:g} {'x' if row.of_ratio else row.unit}"


def verdict(row: Row) -> str:
    """Return ok or MISSED; empty without a goal, "open" without the figure that it is about."""
    if row.goal is None:
        return ""
    return "open" if row.reached is None else VERDICTS[row.reached]


def figure(value: float) -> str:
    """Return three digits of a figure, without an exponent where a person wouldn't write one."""
    size = abs(value)
    if size >= 100 or size == 0:
        return f"{value:,.0f}"
    digits = 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{digits}f}" if size >= 0.001 else f"{value:.2g}"


def tally(rows: Sequence[Row]) -> str:
    """Say how many goals are reached, such as "14 of 15 goals reached, 1 open"."""
    verdicts = [verdict(row) for row in rows if row.goal is not None]
    text = f"{verdicts.count('ok')} of {len(verdicts)} goals reached"
    return text + (f", {verdicts.count('open')} open" if "open" in verdicts else "")


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the table, then the notes."""
    table = Table(box=box.SIMPLE_HEAD, width=min(console.width, WIDTH), pad_edge=False)
    for place, head in enumerate(HEADS):
        table.add_column(head, justify="right" if place in (1, 3) else "left", overflow="fold")
    table.columns[0].ratio = 1
    table.columns[2].max_width = PEER_WIDTH
    table.columns[1].no_wrap = table.columns[4].no_wrap = table.columns[5].no_wrap = True
    for row in rows:
        texts = [escape(text) for text in cells(row)]
        style = STYLES.get(texts[-1], "")
        table.add_row(*texts[:-1], f"[{style}]{texts[-1]}[/]" if style else texts[-1])
    console.print(table)
    for row in rows:
        if row.note:
            console.print(f"  {escape(row.what)}: [dim]{escape(row.note)}[/]", width=WIDTH)


def markdown(rows: Sequence[Row]) -> str:
    """Return the table with the notes as a last column."""
    heads = (*HEADS[:-1], "reached", "note")
    lines = [f"| {' | '.join(heads)} |", "|---|--:|---|--:|---|---|---|"]
    lines += [f"| {' | '.join(_plain(text) for text in (*cells(row), row.note))} |" for row in rows]
    return "\n".join(lines)


def _plain(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
