"""What nodes' probes have measured over a time, read back from InfluxDB.

In InfluxQL by `/query`, which 1.8, 2.x and 3 all answer. What fails is told, not raised: a report
without samples is a report.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from coordinator.settings import Influx
from fedbed.errors import UsageError
from fedbed.logs import printable

# It would tell the log of each question.
logging.getLogger("httpx").setLevel(logging.WARNING)
TIMEOUT_S = 10.0
"""For all questions together: a run's end waits for them."""
NS = 1_000_000_000
Row = dict[str, Any]
Found = dict[str, Any]


def questions(begin_ns: int, end_ns: int) -> dict[str, str]:
    """Return all questions by name; counters may have started anew, so their steps are summed."""
    during = f"time >= {begin_ns} AND time <= {end_ns}"
    slowed = '("throttled" = true OR "capped" = true OR "soft_limit" = true)'
    rails = '"node", "rail", "method"'
    steps = _select('non_negative_difference("energy") AS "step"', '"fedbed_power"', during, rails)

    def of_nodes(what: str, measurement: str, also: str = "") -> str:
        where = f"{during} AND {also}" if also else during
        return _select(what, f'"{measurement}"', where, '"node"')

    times = 'count("throttled") AS "n"'
    return {
        "cpu": of_nodes('mean("usage") AS "mean", count("usage") AS "n"', "fedbed_cpu"),
        "temperature": of_nodes('max("value") AS "most"', "fedbed_temperature"),
        "throttling": of_nodes(times, "fedbed_throttling"),
        "slowed": of_nodes(times, "fedbed_throttling", slowed),
        "undervoltage": of_nodes(times, "fedbed_throttling", '"undervoltage" = true'),
        "energy": _select('sum("step") AS "joules"', f"({steps})", during, rails),
    }


def _select(what: str, source: str, where: str, by: str) -> str:
    return " ".join(("SELECT", what, "FROM", source, "WHERE", where, "GROUP BY", by))


def gathered(answers: Mapping[str, Iterable[Row]]) -> dict[str, Found]:
    """Return what is known of each node, by its name. Pure.

    cpu: mean share in per cent of `samples` samples. temperature: the highest, Celsius.
    throttling: of how many `samples` how many were `slowed` or had `undervoltage`. energy: joules
    by method (measured, modelled) and rail.
    """
    nodes: dict[str, Found] = {}

    def of(row: Row) -> Found:
        return nodes.setdefault(str(row.get("node", "")), {})

    for row in answers.get("cpu", ()):
        of(row).update(cpu=row["mean"], samples=row["n"])
    for row in answers.get("temperature", ()):
        of(row)["temperature"] = row["most"]
    for row in answers.get("throttling", ()):
        of(row)["throttling"] = {"samples": row["n"], "slowed": 0, "undervoltage": 0}
    for kind in ("slowed", "undervoltage"):
        for row in answers.get(kind, ()):
            of(row)["throttling"][kind] = row["n"]
    for row in answers.get("energy", ()):
        method, rail = str(row.get("method", "")), str(row.get("rail", ""))
        of(row).setdefault("energy", {}).setdefault(method, {})[rail] = row["joules"]
    return nodes


async def between(influx: Influx, begin_s: float, end_s: float) -> dict[str, Any]:
    """Ask about the time between two moments, in seconds since 1970.

    Returns `nodes`, as `gathered` does, and `error`: why there are none, empty if nothing failed.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S), _client(influx) as client:
            answers = {
                name: await _ask(client, influx, question)
                for name, question in questions(int(begin_s * NS), int(end_s * NS)).items()
            }
        return {"nodes": gathered(answers), "error": ""}
    except TimeoutError:
        why = f"InfluxDB at {influx.url} doesn't answer within {TIMEOUT_S:.0f} s"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UsageError) as error:
        why = f"InfluxDB at {influx.url} can't be asked ({_line(error)})"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"InfluxDB at {influx.url} answers in another form ({_line(error)})"
    return {"nodes": {}, "error": why}


def _client(influx: Influx) -> httpx.AsyncClient:
    token = influx.token()
    headers = {"Authorization": f"Token {token}"} if token else {}
    # As the writer has it: the system's CAs, and no proxy.
    verify: ssl.SSLContext | bool = True
    if influx.url.startswith("https"):
        verify = ssl.create_default_context()
    return httpx.AsyncClient(headers=headers, timeout=TIMEOUT_S, trust_env=False, verify=verify)


async def _ask(client: httpx.AsyncClient, influx: Influx, question: str) -> list[Row]:
    """Return the rows of an answer, with their tags."""
    asked = {"db": influx.bucket, "q": question, "epoch": "ns"}
    answer = await client.get(f"{influx.url}/query", params=asked)
    if answer.status_code != httpx.codes.OK:
        said = " ".join(answer.text.split())[:200]
        raise httpx.HTTPError(f"status {answer.status_code}: {said}")
    (result,) = answer.json()["results"]
    if "error" in result:
        raise httpx.HTTPError(str(result["error"])[:200])
    return [
        {**series.get("tags", {}), **dict(zip(series["columns"], row, strict=True))}
        for series in result.get("series", ())
        for row in series["values"]
    ]


def _line(error: BaseException) -> str:
    return printable(" ".join(str(error).split()))[:300] or type(error).__name__
