"""Lenient reading of a result: any part of it may be missing, empty or of another type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
_MOST = 1e100

Points = list[tuple[int, float]]
"""(round, value), by round."""


def number(value: object) -> float | int | None:
    """Return `value` unchanged where it is a finite number, else None (also for booleans).

    Numbers beyond 1e100 count as infinite: nothing measured is that large, and sums stay finite.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and -_MOST < value < _MOST:
        return value
    return None


def text(value: object) -> str:
    """Return a non-empty string or a number as a string; anything else as ''."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return ""


def mapping(value: object) -> Row:
    """Return `value` where it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> list[Any]:
    """Return a list of what `value` holds where it is a list or tuple, else an empty one."""
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return list(value)
    return []


def rows(value: object) -> list[Row]:
    """Return the mappings in a list; whatever else is in it is dropped."""
    return [row for row in items(value) if isinstance(row, Mapping)]


def rounds(result: Row, part: str = "history") -> list[tuple[int, Row]]:
    """Return (round number, row) of `history` or `twin`, by round; unnumbered rows count from 1."""
    found = []
    for place, row in enumerate(rows(result.get(part)), start=1):
        given = number(row.get("round"))
        found.append((place if given is None else int(given), row))
    return sorted(found, key=lambda pair: pair[0])


def writable(page: str) -> str:
    """Return text that UTF-8 can hold: lone surrogates, which JSON may carry, become '?'."""
    return page.encode("utf-8", "replace").decode("utf-8")


def count(value: object) -> int | None:
    """Return how many: a list's length, or the number itself where only that was kept."""
    if isinstance(value, (Sequence, Mapping)) and not isinstance(value, (str, bytes)):
        return len(value)
    given = number(value)
    return None if given is None else int(given)


def measured(row: Row, name: str) -> float | int | None:
    """Return a figure of one round: a key of the row itself or, failing that, of its metrics."""
    own = number(row.get(name))
    return number(mapping(row.get("metrics")).get(name)) if own is None else own


def series(history: Sequence[tuple[int, Row]], name: str) -> Points:
    """Return (round, value) of the rounds that have a finite number of that name."""
    found = []
    for index, row in history:
        value = measured(row, name)
        if value is not None:
            found.append((index, float(value)))
    return found


def extra_metrics(history: Sequence[tuple[int, Row]], known: Sequence[str]) -> list[str]:
    """Return the names of the rounds' own numeric metrics that are not in `known`, sorted."""
    names = {
        str(name)
        for _, row in history
        for name, value in mapping(row.get("metrics")).items()
        if number(value) is not None
    }
    return sorted(names - set(known))


def partition_of(row: Row) -> str:
    """Return the partition of a node's row as text, the key that `missing` uses too."""
    given = number(row.get("partition"))
    if given is not None and given == int(given):
        return str(int(given))
    return text(row.get("partition"))


def node_names(result: Row) -> dict[str, str]:
    """Return names by partition (as text), in order of partition, of all nodes ever mentioned."""
    names: dict[str, str] = {}
    seen = rows(result.get("nodes"))
    for _, row in rounds(result):
        seen = seen + rows(row.get("nodes")) + rows(row.get("tests"))
        seen = seen + [{"partition": key} for key in mapping(row.get("missing"))]
    for row in seen:
        key = partition_of(row)
        names[key] = names.get(key) or text(row.get("name"))
    order = sorted(
        names, key=lambda key: (not key.isdecimal(), int(key) if key.isdecimal() else 0, key)
    )
    return {key: names[key] or f"node {key or '?'}" for key in order}
