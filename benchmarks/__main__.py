"""`make bench`: measures, prints a table, writes figures and a plot; see docs/performance.md."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console

from benchmarks import page, plot, results, table
from benchmarks.progress import Line
from benchmarks.registry import MEASUREMENTS, Measurement, choose
from benchmarks.rows import Row
from fedbed.errors import DataError, FedbedError, RequirementMissing, UsageError

INTERRUPTED = 130


def main(
    arguments: Sequence[str] | None = None, measurements: Sequence[Measurement] = MEASUREMENTS
) -> int:
    """Measure what the command line names; returns 0, 1 after a fault, 130 after Ctrl-C.

    A missed goal, a peer or a data set that this machine doesn't have are no faults.
    """
    args = _parser(measurements).parse_args(arguments)
    screen = Console(stderr=True, highlight=False)
    try:
        chosen = choose(args.names, args.quick, measurements)
    except UsageError as error:
        screen.print(str(error), style="red", markup=False)
        return error.exit_code
    began = time.monotonic()
    rows, failed, interrupted = _measure(chosen, args.quick, screen)
    names = [one.name for one in chosen]
    complete = not interrupted and chosen == choose([], args.quick, measurements)
    took = time.monotonic() - began
    document = results.describe(rows, args.quick, names, complete, took)
    _publish(document, rows, args.output)
    if interrupted:
        screen.print("interrupted: the figures are those measured before")
        return INTERRUPTED
    return 1 if failed else 0


def _measure(
    chosen: Sequence[Measurement], quick: bool, screen: Console
) -> tuple[list[Row], bool, bool]:
    """Return the rows, whether a measurement failed, and whether Ctrl-C came."""
    rows: list[Row] = []
    failed = False
    line = Line(chosen, quick, screen)
    try:
        with line.shown():
            for place, one in enumerate(chosen):
                line.start(place)
                found, fault = _attempt(one, quick)
                rows += found
                failed = failed or fault
                line.done(found[0].note if found and found[0].ours is None else "")
    except KeyboardInterrupt:
        return rows, failed, True
    return rows, failed, False


def _attempt(one: Measurement, quick: bool) -> tuple[list[Row], bool]:
    """Return its rows, or one that says why there are none, and whether that is a fault."""
    try:
        return one.run(quick), False
    except (DataError, RequirementMissing) as error:
        return [Row(one.name, None, "", note=f"not measured: {error}")], False
    except Exception as error:  # noqa: BLE001 - the others can still be measured
        text = " ".join(str(error).split())[:300]
        if not isinstance(error, FedbedError) or not text:
            text = f"{type(error).__name__}: {text}"
        return [Row(one.name, None, "", note=f"failed: {text}")], True


def _publish(document: dict[str, object], rows: list[Row], folder: Path) -> None:
    console = Console(width=None if sys.stdout.isatty() else table.WIDTH, highlight=False)
    if rows:
        table.show(rows, console)
    path = results.write(document, folder)
    drawn = plot.write(rows, path.with_suffix(".svg"))
    if path.stem == "latest" and folder == results.FOLDER:
        page.update(document)
    console.print(table.tally(rows), style="bold")
    console.print(f"written: {path}" + (f" and {drawn.name}" if drawn else ""), soft_wrap=True)


def _parser(measurements: Sequence[Measurement]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure fedbed beside its peers, which run for real in the same call.",
        epilog="measurements: " + ", ".join(one.name for one in measurements),
    )
    parser.add_argument(
        "names", nargs="*", help="measure only what begins with one of these words; all without any"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer repetitions, under three minutes in all"
    )
    parser.add_argument(
        "--output", type=Path, default=results.FOLDER, help="folder for the figures and the plot"
    )
    return parser


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # A killed benchmark must leave no SuperNodes behind either.
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
