"""Result folders: fetching them, the link to the latest, and the comparison at a run's end."""

from __future__ import annotations

import json
import os
import tempfile
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fedbed.cli import readings
from fedbed.client import Client, unwritable
from fedbed.units import format_bytes, format_duration

LATEST = "latest"
RESULT = "result.json"
REPORT = "report.html"
GAP = "centralised - federated"
"""What a gap is: the sign says who is ahead only if one knows what was taken from what."""


def prepare(output: Path) -> None:
    """Make the folder that results go to; UsageError if nothing can be written there.

    Called before anything is started: after a run of an hour it would be late to say so.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise unwritable(output, error) from error


def fetch(client: Client, run_id: str, output: Path) -> Path:
    """Download all of a run's files to `output/<run id>` and let `output/latest` point there."""
    folder = output / run_id
    client.download(run_id, folder)
    if has_files(folder):
        point_latest(output, run_id)
    return folder


def has_files(folder: Path) -> bool:
    """Whether a run has left anything in its folder."""
    return folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir())


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
        _place(console, "report", str(report))
    latest = folder.parent / LATEST
    also = (
        f"(also {latest})" if latest.is_symlink() and latest.readlink() == Path(folder.name) else ""
    )
    if has_files(folder):
        _place(console, "files", f"{folder}{os.sep}", also)
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
    twin = readings.number(centralised) is not None
    for title in ("", "federated", "centralised")[: 3 if twin else 2]:
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    if twin:
        table.add_column(GAP, justify="right", min_width=12)
    if readings.number(federated) is not None:
        cells = [metric, readings.score(federated, metric)]
        if twin:
            cells += [readings.score(centralised, metric), readings.difference(gap, metric)]
        table.add_row(*cells)
        console.print()
        console.print(table)
        console.print()
    target = str(readings.mapping(result.get("target")).get("text") or "")
    for label, words in (("run", _facts(result)), ("target", target), ("cost", _cost(result))):
        if words:
            _wrapped(console, label, words)
    verdict = readings.mapping(result.get("verdict"))
    if verdict:
        reasons = ", ".join(str(reason) for reason in verdict.get("reasons") or [])
        note = f"; {verdict['note']}" if verdict.get("note") else ""
        said = f"{verdict.get('status')}" + (f": {reasons}" if reasons else "")
        _wrapped(console, "verdict", said + note)


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
    if result.get("twin_reused_of"):
        words.append(f"twin of run {result['twin_reused_of']}")
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


def _wrapped(console: Console, label: str, words: str) -> None:
    """Print a label and words, in a narrow terminal on lines that break between them."""
    width = max(30, console.width) if console.is_terminal else 10_000
    for place, line in enumerate(textwrap.wrap(words, width - 9, break_on_hyphens=False)):
        _say(console, f"{label if place == 0 else '':<8} {line}")


def _place(console: Console, label: str, path: str, also: str = "") -> None:
    """Print a label and a path, which stays in one piece where a line can hold it."""
    line = f"{label:<8} {path}"
    if console.is_terminal and len(line) > console.width:
        _say(console, f"{label}\n  {path}")
    elif also and console.is_terminal and len(f"{line} {also}") > console.width:
        _say(console, f"{line}\n{'':<8} {also}")
    else:
        _say(console, f"{line} {also}".rstrip())


def _say(console: Console, text: str) -> None:
    """Print a line as it is: paths must not be wrapped or read as markup."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
