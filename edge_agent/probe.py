"""`python -m edge_agent.probe`: this machine's measurements as lines, for Telegraf's `execd` input.

Here samples are stamped with the wall clock, as Telegraf's own are: there is no coordinator whose
time they could have.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import stat
import sys
import time
from pathlib import Path
from typing import List, Optional

from edge_agent import config
from edge_agent.clock import WallClock
from edge_agent.probes.node import hardware
from edge_agent.sampler import INTERVAL_S, Sampler
from fedbed import logs
from fedbed.cli.parser import Parser
from fedbed.errors import FedbedError

_SHORTEST_S = 0.1


def parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m edge_agent.probe`."""
    p = Parser(
        own_program=True,
        prog="python -m edge_agent.probe",
        description="Print what this machine measures of itself, once a second. A line on standard "
        "input asks for a sample at once; from then on there is one for each line only.",
    )
    add = p.add_argument
    add("--format", choices=("influx",), default="influx", help="InfluxDB's line protocol")
    add(
        "--node",
        metavar="NAME",
        default=config.parser().get_default("name"),
        help="the tag 'node' of what is printed (default: %(default)s)",
    )
    add(
        "--interval",
        type=_seconds,
        metavar="SECONDS",
        default=INTERVAL_S,
        help="between two samples (default: %(default)g)",
    )
    add(
        "--folder",
        type=Path,
        metavar="DIR",
        default=Path("/"),
        help="on the disk whose room is measured (default: %(default)s)",
    )
    add("--once", action="store_true", help="print one sample, after one interval, and end")
    add("--list", action="store_true", help="say which probes there are, and why others aren't")
    return p


def run(argv: List[str]) -> int:
    """Print samples until standard input or output is closed; returns the exit code."""
    args = parser().parse_args(argv)
    probes = hardware(args.folder, args.interval)
    if args.list:
        for probe in probes:
            sys.stdout.write(f"{probe.name:<14}{probe.absent or 'present'}\n")
        return 0
    sampler = Sampler(args.node, WallClock(), probes, _ignore, args.interval)
    try:
        # Shares and means are of the time since the sample before: the first has none.
        sampler.sample()
        _print_samples(sampler, args.interval, args.once)
    except BrokenPipeError:
        # What is still buffered can't be written at the end of the process, either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        sampler.stop()
    return 0


def _print_samples(sampler: Sampler, interval_s: float, once: bool) -> None:
    requests = _Requests()
    next_at = time.monotonic() + interval_s
    while True:
        if once:
            time.sleep(interval_s)
        elif not requests.wait(next_at):
            return
        lines = [point.line() for point in sampler.sample()]
        sys.stdout.write("".join(f"{line}\n" for line in lines if line))
        sys.stdout.flush()
        if once:
            return
        next_at = max(next_at + interval_s, time.monotonic())


class _Requests:
    """Lines on standard input. What isn't a pipe or a terminal (/dev/null) asks for nothing."""

    def __init__(self) -> None:
        self._is_open = False
        with contextlib.suppress(OSError):  # there may be no standard input at all
            mode = os.fstat(0).st_mode
            self._is_open = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(0)
        self._sets_the_pace = False

    def wait(self, next_at: float) -> bool:
        """Wait until a sample is due or asked for; returns False when the input has ended."""
        while True:
            left_s: Optional[float] = None
            if not self._sets_the_pace:
                left_s = max(0.0, next_at - time.monotonic())
            if not select.select([0] if self._is_open else [], [], [], left_s)[0]:
                return True
            data = os.read(0, 4096)
            if not data:
                return False
            if b"\n" in data:
                self._sets_the_pace = True
                return True


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not _SHORTEST_S <= value <= 3600.0:
        raise argparse.ArgumentTypeError(
            f"given '{text}', allowed: seconds from {_SHORTEST_S:g} to 3600"
        )
    return value


def _ignore(_points: object) -> None:
    """Nothing is delivered by a thread here."""


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    logs.configure()
    try:
        sys.exit(run(sys.argv[1:]))
    except FedbedError as error:
        sys.stderr.write(f"fedbed probe: {error}\n")
        sys.exit(error.exit_code)
