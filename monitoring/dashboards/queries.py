"""InfluxQL from the definition of what is measured: a query for what isn't defined raises.

InfluxQL is what InfluxDB 1.8, 2.x (with a DBRP mapping) and 3 all answer. Grafana fills in
`$timeFilter`, `$__interval` and the dashboards' variables before it asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from fedbed.telemetry import definition
from fedbed.telemetry.definition import BOOLEAN, STRING, Field, Measurement
from monitoring.dashboards.telegraf import CONTAINERS

_UNITS = {
    "percent": "percent",
    "bytes": "decbytes",
    "seconds": "s",
    "celsius": "celsius",
    "watts": "watt",
    "joules": "joule",
    "hertz": "hertz",
    "": "short",
}
_RATES = {"bytes": "Bps", "seconds": "percentunit", "joules": "watt", "": "cps"}
"""Grafana's unit of a counter's growth in a second."""
_NUMERIC = ("mean", "max", "min", "sum")
_ANY = ("last", "first", "count")


class UndefinedError(ValueError):
    """A dashboard asks for a measurement, field or tag that nobody writes, or that can't be so."""


@dataclass(frozen=True)
class Variable:
    """A variable of a dashboard; matched as a regular expression, so that several values fit."""

    name: str

    @property
    def pattern(self) -> str:
        """How InfluxQL compares with it, whatever its value holds."""
        return f"=~ /^${{{self.name}:regex}}$/"


RUN, NODE, CONTAINER = Variable("run"), Variable("node"), Variable("container")


@dataclass(frozen=True)
class Above:
    """More than a number."""

    number: int

    @property
    def pattern(self) -> str:
        """How InfluxQL compares with it."""
        return f"> {self.number}"


Where = Mapping[str, Variable | Above | str | bool]


@dataclass(frozen=True)
class Query:
    """A question to the database. unit: Grafana's name of its values' unit.

    alias: how Grafana calls a series, `$tag_node` for instance; empty in a table, whose columns
    have names.
    """

    text: str
    unit: str
    alias: str = ""
    is_table: bool = False


@cache
def _measurements() -> dict[str, Measurement]:
    return {**definition.by_name(), **{each.name: each for each in CONTAINERS}}


def measurement(name: str) -> Measurement:
    """Return a measurement of fedbed, or one of Telegraf's that dashboards use."""
    if name not in _measurements():
        raise UndefinedError(f"there is no measurement '{name}'")
    return _measurements()[name]


def over_time(
    source: str,
    field: str,
    how: str = "mean",
    *,
    by: str = "",
    also_by: str = "",
    where: Where | None = None,
    alias: str = "",
) -> Query:
    """Return a field's values over time, a series for each value of the tags `by` and `also_by`.

    Numbers leave gaps where nothing was measured; states last until the next one.
    """
    known = _field(source, field, how)
    fill = "none" if known.type in (BOOLEAN, STRING) else "null"
    return Query(
        f'SELECT {how}("{field}") FROM "{source}" WHERE {_conditions(source, where)} '
        f"GROUP BY time($__interval){_tags(source, by, also_by)} fill({fill})",
        _UNITS[known.unit] if how != "count" else "short",
        alias or _alias(field, by, also_by),
    )


def rate(
    source: str, field: str, *, by: str = "", where: Where | None = None, alias: str = ""
) -> Query:
    """Return how fast a counter grows, per second; a counter that starts anew leaves a gap."""
    known = _field(source, field, "max")
    if not known.is_counter:
        raise UndefinedError(f"{source}.{field} is no counter")
    return Query(
        f'SELECT non_negative_derivative(max("{field}"), 1s) FROM "{source}" '
        f"WHERE {_conditions(source, where)} "
        f"GROUP BY time($__interval){_tags(source, by)} fill(none)",
        _RATES[known.unit],
        alias or _alias(field, by),
    )


def points(
    source: str, field: str, *, by: str = "", where: Where | None = None, alias: str = ""
) -> Query:
    """Return every point of a field at its own time: of rounds and phases, which are few."""
    known = _field(source, field, "last")
    group = f' GROUP BY "{_tag(source, by)}"' if by else ""
    return Query(
        f'SELECT "{field}" FROM "{source}" WHERE {_conditions(source, where)}{group}',
        _UNITS[known.unit],
        alias or _alias(field, by),
    )


def quotient(
    source: str, field: str, divisor: str, unit: str, *, by: str, where: Where | None = None
) -> Query:
    """Return one field over another at each point, where the other isn't 0."""
    _field(source, field, "mean")
    _field(source, divisor, "mean")
    return Query(
        f'SELECT "{field}" / "{divisor}" FROM "{source}" '
        f'WHERE {_conditions(source, where)} AND "{divisor}" > 0 GROUP BY "{_tag(source, by)}"',
        unit,
        f"$tag_{by}",
    )


def table(
    source: str,
    columns: Mapping[str, tuple[str, str]],
    *,
    by: str = "",
    where: Where | None = None,
) -> Query:
    """Return a table with a row for each value of the tag `by`, or with one row.

    columns: what each is called, and from what it comes: (function, field).
    """
    fields = [_field(source, field, how) for how, field in columns.values()]
    chosen = ", ".join(f'{how}("{field}") AS "{name}"' for name, (how, field) in columns.items())
    group = f' GROUP BY "{_tag(source, by)}"' if by else ""
    return Query(
        f'SELECT {chosen} FROM "{source}" WHERE {_conditions(source, where)}{group}',
        _UNITS[fields[0].unit],
        is_table=True,
    )


def rows(
    source: str, columns: Mapping[str, str], *, where: Where | None = None, newest: int = 0
) -> Query:
    """Return the points themselves as a table: all, or the newest so many first.

    columns: what each is called, and which field or tag it shows.
    """
    known = [_column(source, column) for column in columns.values()]
    chosen = ", ".join(f'"{column}" AS "{name}"' for name, column in columns.items())
    units = [_UNITS[each.unit] for each in known if isinstance(each, Field)]
    order = f" ORDER BY time DESC LIMIT {newest}" if newest else ""
    return Query(
        f'SELECT {chosen} FROM "{source}" WHERE {_conditions(source, where)}{order}',
        units[0] if units else "short",
        is_table=True,
    )


def how_many(source: str, field: str, value: str | bool, *, by: str) -> Query:
    """Return for how many values of the tag `by` a field was last of this value."""
    _field(source, field, "last")
    return Query(
        f'SELECT count("x") FROM (SELECT last("{field}") AS "x" FROM "{source}" '
        f'WHERE $timeFilter GROUP BY "{_tag(source, by)}") WHERE "x" = {_literal(value)}',
        "short",
        field,
    )


def largest(
    source: str, field: str, name: str, *, of: str, by: str = "", where: Where | None = None
) -> Query:
    """Return the largest of the last values that the tag `of` tells apart, for each `by`."""
    known = _field(source, field, "max")
    inner = ", ".join(f'"{_tag(source, tag)}"' for tag in (by, of) if tag)
    group = f' GROUP BY "{by}"' if by else ""
    return Query(
        f'SELECT max("x") AS "{name}" FROM (SELECT last("{field}") AS "x" FROM "{source}" '
        f"WHERE {_conditions(source, where)} GROUP BY {inner}) WHERE $timeFilter{group}",
        _UNITS[known.unit],
        is_table=True,
    )


def values_of(source: str, tag: str, *, where: Where | None = None) -> str:
    """Return the query that lists the values of a tag, for a dashboard's variable."""
    rest = f" WHERE {' AND '.join(_each(source, where))}" if where else ""
    return f'SHOW TAG VALUES FROM "{source}" WITH KEY = "{_tag(source, tag)}"{rest}'


@dataclass(frozen=True)
class Moments:
    """An annotation's query. text, tag: what of a point is told, and what it is labelled by."""

    query: str
    text: str
    tag: str


def moments(source: str, text: str, tag: str, *, where: Where | None = None) -> Moments:
    """Return the query for a measurement's points as annotations."""
    _field(source, text, "last")
    chosen = f'"{text}", "{_tag(source, tag)}"'
    query = f'SELECT {chosen} FROM "{source}" WHERE {_conditions(source, where)}'
    return Moments(query, text, tag)


def recent(
    source: str,
    how: str,
    field: str,
    span: str,
    *,
    by: Sequence[str] = (),
    where: Where | None = None,
) -> str:
    """Return the query of an alert rule: one number for each group, over the last `span`.

    It needs none of Grafana's macros: files of alert rules replace what begins with a dollar.
    """
    _field(source, field, how)
    conditions = " AND ".join([f"time > now() - {span}", *_each(source, where)])
    group = ", ".join(f'"{_tag(source, tag)}"' for tag in by)
    rest = f" GROUP BY {group}" if by else ""
    return f'SELECT {how}("{field}") FROM "{source}" WHERE {conditions}{rest}'


def _conditions(source: str, where: Where | None) -> str:
    return " AND ".join(["$timeFilter", *_each(source, where)])


def _each(source: str, where: Where | None) -> list[str]:
    found = []
    for name, value in (where or {}).items():
        _column(source, name)
        test = value.pattern if isinstance(value, (Variable, Above)) else f"= {_literal(value)}"
        found.append(f'"{name}" {test}')
    return found


def _literal(value: str | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}'"


def _tags(source: str, *names: str) -> str:
    return "".join(f', "{_tag(source, name)}"' for name in names if name)


def _alias(field: str, *tags: str) -> str:
    return ", ".join(f"$tag_{tag}" for tag in tags if tag) or field


def _tag(source: str, name: str) -> str:
    if name not in {tag.name for tag in measurement(source).tags}:
        raise UndefinedError(f"{source} has no tag '{name}'")
    return name


def _field(source: str, name: str, how: str) -> Field:
    found = {field.name: field for field in measurement(source).fields}.get(name)
    if found is None:
        raise UndefinedError(f"{source} has no field '{name}'")
    if how not in (*_NUMERIC, *_ANY):
        raise UndefinedError(f"'{how}' is no function that dashboards use")
    if how in _NUMERIC and found.type in (BOOLEAN, STRING):
        raise UndefinedError(f"{source}.{name} is {found.type}; there is no {how} of it")
    return found


def _column(source: str, name: str) -> Field | str:
    if name in {tag.name for tag in measurement(source).tags}:
        return name
    return _field(source, name, "last")
