"""Result folders: fetching them, the link to the latest, and the comparison at a run's end."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fedbed.cli import readings
from fedbed.client import Client
from fedbed.units import format_bytes, format_duration

LATEST = "latest"
RESULT = "result.json"
REPORT = "report.html"


def fetch(client: Client, run_id: str, output: Path) -> Path:
    """Download all of a run's files to `output/<run id>` and let `output/latest` point there."""
    folder = output / run_id
    client.download(run_id, folder)
    point_latest(output, run_id)
    return folder


def point_latest(output: Path, name: str) -> bool:
    """Make `output/latest` a link to `name` beside it, in one step; False if it can't be one."""
    link = output / LATEST
    if link.is_dir() and not link.is_symlink():
        return False
    fresh = output / f".{LATEST}.{os.getpid()}"
    try:
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(name)
        fresh.replace(link)
    except OSError:  # a file system without links: the folder itself is there all the same
        fresh.unlink(missing_ok=True)
        return False
    return True


def read(folder: Path) -> dict[str, Any]:
    """Return a run's result; empty if it has none that can be read."""
    try:
        found = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def show(result: Mapping[str, Any], folder: Path, console: Console) -> None:
    """Print a run's comparison, its verdict and where the files lie."""
    if result:
        _comparison(result, console)
    paths(folder, console)


def paths(folder: Path, console: Console) -> None:
    """Print where a run's files lie."""
    if not folder.is_dir():
        return
    report = folder / REPORT
    if report.is_file():
        _say(console, f"report   {report}")
    latest = folder.parent / LATEST
    also = (
        f" (also {latest})"
        if latest.is_symlink() and latest.readlink() == Path(folder.name)
        else ""
    )
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if names:
        _say(console, f"files    {folder}{os.sep}{also}")
    else:
        _say(console, f"files    none in {folder}{os.sep}")


def figures(result: Mapping[str, Any]) -> tuple[str, Any, Any, Any]:
    """Return metric, federated, centralised and gap; None for what there isn't."""
    final = readings.mapping(result.get("final"))
    metric = str(result.get("metric") or "accuracy")
    return metric, final.get("federated"), final.get("centralised"), result.get("gap")


def _comparison(result: Mapping[str, Any], console: Console) -> None:
    metric, federated, centralised, gap = figures(result)
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="bright_black")
    for title in ("", "federated", "centralised", "gap"):
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    if readings.number(federated) is not None:
        table.add_row(
            metric,
            readings.score(federated, metric),
            readings.score(centralised, metric),
            readings.difference(gap, metric),
        )
        console.print()
        console.print(table)
        console.print()
    for label, words in (("run", _facts(result)), ("cost", _cost(result))):
        if words:
            _say(console, f"{label:<8} {words}")
    verdict = readings.mapping(result.get("verdict"))
    if verdict:
        reasons = ", ".join(str(reason) for reason in verdict.get("reasons") or [])
        _say(console, f"verdict  {verdict.get('status')}" + (f": {reasons}" if reasons else ""))


def _facts(result: Mapping[str, Any]) -> str:
    words = []
    rounds = result.get("rounds")
    if isinstance(rounds, list):
        rounds = len(rounds)
    if rounds:
        words.append(f"{rounds} rounds")
    of = " on ".join(str(result[key]) for key in ("task", "dataset") if result.get(key))
    if of:
        words.append(of)
    wall = readings.number(result.get("wall_s"))
    if wall is not None:
        words.append(format_duration(wall))
    return ", ".join(words)


def _cost(result: Mapping[str, Any]) -> str:
    words = []
    up, down = (readings.number(result.get(key)) for key in ("bytes_up", "bytes_down"))
    if up is not None and down is not None:
        words.append(f"{format_bytes(int(up))} up, {format_bytes(int(down))} down")
    overhead = readings.number(readings.mapping(result.get("overhead_s")).get("median"))
    if overhead is not None:
        words.append(f"{format_duration(overhead)} overhead a round")
    return ", ".join(words)


def _say(console: Console, text: str) -> None:
    """Print a line as it is: paths must not be wrapped or read as markup."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
