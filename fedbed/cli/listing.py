"""Listings: a table that fits the terminal, and is whole where there is none."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedbed.logs import printable

_WIDE = 10_000
"""Columns of what is no terminal: who reads a file or a pipe must find all of every row."""


def show(titles: Sequence[str], rows: Iterable[Sequence[Text]], whole: Sequence[str]) -> None:
    """Print rows under their titles; in a narrow terminal all columns but `whole` may wrap."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bright_black")
    for title in titles:
        table.add_column(title, no_wrap=title in whole, overflow="fold")
    for row in rows:
        table.add_row(*map(_printable, row))
    width = None if sys.stdout.isatty() else _WIDE
    Console(highlight=False, width=width).print(table)


def _printable(cell: Text) -> Text:
    # Names and labels come from others, and terminals obey some characters.
    return cell if cell.plain.isprintable() else Text(printable(cell.plain), cell.style)
