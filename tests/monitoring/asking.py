"""Dashboards' queries as Grafana would send them: from the JSON, with its macros filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitoring.dashboards.__main__ import FOLDER

NAMES = ("fleet", "node", "run", "compare", "communication", "containers")
ALL = ".*"
"""The value of a variable of which all are chosen; Grafana fills it in as it is."""


@dataclass(frozen=True)
class Asked:
    """A query, and where it stands."""

    where: str
    query: str


def board(name: str) -> dict[str, Any]:
    """Read a dashboard's file."""
    read: dict[str, Any] = json.loads((FOLDER / "dashboards" / f"{name}.json").read_text())
    return read


def panels(name: str) -> list[dict[str, Any]]:
    """Return a dashboard's panels, without the headings between them."""
    return [panel for panel in board(name)["panels"] if panel["type"] != "row"]


def asked(name: str) -> Iterator[Asked]:
    """Return all queries of a dashboard: of panels, variables and annotations."""
    read = board(name)
    for panel in panels(name):
        for target in panel["targets"]:
            yield Asked(f"{name}, {panel['title']}, {target['refId']}", target["query"])
    for variable in read["templating"]["list"]:
        if variable["type"] != "query":
            continue
        yield Asked(f"{name}, variable {variable['name']}", variable["query"])
    for annotation in read["annotations"]["list"]:
        yield Asked(f"{name}, annotation {annotation['name']}", annotation["target"]["query"])


def filled_in(
    query: str, since_ns: int, until_ns: int, chosen: Mapping[str, str | Sequence[str]]
) -> str:
    """Fill in the macros as Grafana 11 does; AssertionError if one is left.

    chosen: the variables' values: one, several, or ALL.
    """
    span = f"time >= {since_ns // 10**6}ms and time <= {until_ns // 10**6}ms"
    text = query.replace("$timeFilter", span).replace("$__interval", "10s")
    text = text.replace("now()", f"{until_ns}ns")
    text = re.sub(r"\$\{(\w+):regex\}", lambda found: _pattern(chosen[found[1]]), text)
    assert "$" not in text.replace("$/", "/"), text
    return text


def _pattern(value: str | Sequence[str]) -> str:
    if value == ALL:
        return ALL
    if isinstance(value, str):
        return re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", value)
    return "(" + "|".join(_pattern(each) for each in value) + ")"
