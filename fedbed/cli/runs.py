"""`fedbed runs`: a coordinator's runs, seen, followed, stopped and fetched."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text

from fedbed.cli import listing, readings, results
from fedbed.cli.connection import connect
from fedbed.cli.follow import error_of, follow
from fedbed.cli.progress import display
from fedbed.cli.readings import Row
from fedbed.client import Client
from fedbed.errors import NotFound, UsageError
from fedbed.units import format_duration

_STYLES = {"running": "yellow", "finished": "green", "failed": "red", "stopped": "red"}


def runs(args: argparse.Namespace) -> int:
    """List the runs, or do something with one."""
    if args.action != "list" and not args.id:
        raise UsageError(f"runs {args.action}: which run? fedbed runs {args.action} ID")
    if args.action == "list" and args.id:
        raise UsageError(f"runs list: '{args.id}' is one argument too many")
    actions: dict[str, Callable[[Client, str, argparse.Namespace], None]] = {
        "show": _show,
        "watch": _watch,
        "stop": _stop,
        "fetch": _fetch,
    }
    with connect(args) as client:
        if args.action == "list":
            _list(client, args.json)
        else:
            actions[args.action](client, _resolve(client, args.id), args)
    return 0


def _resolve(client: Client, given: str) -> str:
    """Return the id that was meant: itself, or that of the newest run."""
    if given != results.LATEST:
        return given
    newest = client.runs(limit=1)
    if not newest:
        raise NotFound(f"there is no run yet at {client.url}")
    return str(newest[0]["id"])


def _list(client: Client, as_json: bool) -> None:
    found = client.runs()
    if as_json:
        print(json.dumps(found, indent=2))
        return
    if not found:
        print(f"there is no run yet at {client.url}: fedbed run --coordinator {client.url} ...")
        return
    titles = ("run", "state", "step", "result", "submitted")
    listing.show(titles, map(_row, found), whole=("run", "state"))


def _row(run: Row) -> list[Text]:
    state = str(run.get("state"))
    return [
        Text(str(run.get("id"))),
        Text(state, _STYLES.get(state, "")),
        Text(readings.headline(run) if state not in readings.ENDED else "-"),
        Text(_latest_score(run, "history")),
        Text(_ago(run.get("submitted_at"))),
    ]


def _show(client: Client, run_id: str, args: argparse.Namespace) -> None:
    run = client.run(run_id)
    if args.json:
        print(json.dumps(run, indent=2))
        return
    lines: list[tuple[str, Any]] = [
        ("run", run["id"]),
        ("state", run["state"]),
        ("step", "" if run["state"] in readings.ENDED else readings.headline(run)),
        ("seed", run.get("seed") if run.get("kind") == "experiment" else ""),
        ("nodes", ", ".join(run.get("roster") or []) or run.get("nodes")),
        ("plays", readings.virtual(run)),
        ("waiting", run.get("wait")),
        ("error", run.get("error")),
        ("time", readings.clock(run)),
        ("federated", _latest_score(run, "history")),
        ("centralised", _latest_score(run, "twin")),
    ]
    for label, value in lines:
        if value not in ("", None, "-"):
            print(f"{label:<12} {value}")
    metric = readings.metric_of(run)
    for row in readings.rows(run.get("history")):
        value = readings.series([row], metric)
        wall = readings.number(row.get("wall_s"))
        took = "" if wall is None else format_duration(wall)
        shown = readings.score(value[0] if value else None, metric)
        print(f"  round {row.get('round'):<5} {shown:>9}  {took}")


def _watch(client: Client, run_id: str, args: argparse.Namespace) -> None:
    client.run(run_id)
    with display(args.plain, sys.stderr if args.json else sys.stdout) as shown:
        run = follow(client, run_id, shown)
    if args.json:
        print(json.dumps(run, indent=2))
    error = error_of(run)
    if error is not None:
        raise error


def _stop(client: Client, run_id: str, args: argparse.Namespace) -> None:
    client.stop(run_id)
    print(json.dumps({"stopped": run_id}) if args.json else f"run {run_id} was stopped")


def _fetch(client: Client, run_id: str, args: argparse.Namespace) -> None:
    folder = results.fetch(client, run_id, args.output)
    if args.json:
        files = sorted(path.name for path in folder.iterdir())
        print(json.dumps({"run": run_id, "folder": str(folder), "files": files}, indent=2))
    else:
        results.show(results.read(folder), folder, Console())


def _latest_score(run: Row, part: str) -> str:
    metric = readings.metric_of(run)
    values = readings.series(run.get(part), metric)
    return f"{metric} {readings.score(values[-1], metric)}" if values else "-"


def _ago(submitted_at: object) -> str:
    at = readings.number(submitted_at)
    return "-" if at is None else f"{format_duration(float(max(0, round(time.time() - at))))} ago"
