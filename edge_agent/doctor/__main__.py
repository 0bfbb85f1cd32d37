"""`python -m edge_agent.doctor`: what `fedbed doctor` runs on a node."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from dataclasses import asdict
from typing import List, Sequence, Tuple

from edge_agent import config
from edge_agent.doctor import setup
from edge_agent.doctor.examination import checks, examine
from fedbed.cli import findings as text
from fedbed.errors import FedbedError, Unhealthy
from fedbed.link.health import FAIL, WARN, Checkup, Finding, worst

_EPILOG = """exit codes: 0 nothing keeps the node from training, 18 something does (with --strict:
a warning, too), 2 a flag that isn't understood; docs/doctor.md describes every check"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of `fedbed doctor`: the agent's flags, and some of its own."""
    p = config.parser()
    p.prog = "fedbed doctor"
    p.description = (
        "Say what keeps this machine from training as a node, and what mends it. Takes the flags\n"
        "of `fedbed agent`, and looks at what an agent with these flags would meet."
    )
    p.epilog = _EPILOG
    _add_own(p)
    p.add_argument(
        "--fleet",
        action="store_true",
        help="ask a coordinator's nodes instead: fedbed doctor --fleet --help",
    )
    return p


def _add_own(p: argparse.ArgumentParser) -> None:
    p.add_argument("--json", action="store_true", help="print JSON")
    p.add_argument("--strict", action="store_true", help="warnings count as failures")


def parse(argv: List[str]) -> Tuple[argparse.Namespace, config.AgentConfig]:
    """Return the doctor's own flags, and the agent's settings; UsageError."""
    parser().parse_args(argv)  # complains of what neither knows, with the flags of both
    own = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    _add_own(own)
    args, rest = own.parse_known_args(argv)
    return args, config.parse(rest)


def run(argv: List[str]) -> int:
    """Examine this node and print what was found; returns the exit code.

    Raises Unhealthy if something keeps the node from training, UsageError for flags.
    """
    args, settings = parse(argv)
    began = time.monotonic()
    progress = _Progress(len(checks()))
    found = examine(setup.of(settings, Checkup("here")), waiting=progress.show)
    took_s = time.monotonic() - began
    if args.json:
        document = {
            "node": settings.name,
            "worst": worst(found),
            "took_s": round(took_s, 2),
            "findings": [asdict(finding) for finding in found],
        }
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        told = [*text.lines(found, sys.stdout), text.summary(found, took_s)]
        sys.stdout.write("\n".join(told) + "\n")
    sys.stdout.flush()
    _complain(found, args.strict)
    return 0


def _complain(found: Sequence[Finding], strict: bool) -> None:
    bad = [f.check for f in found if f.level == FAIL or (strict and f.level == WARN)]
    if bad:
        raise Unhealthy(f"{len(bad)} of {len(found)} checks failed: {', '.join(bad)}")


class _Progress:
    """A line on a terminal's standard error, gone when all is known."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._is_shown = sys.stderr.isatty()

    def show(self, done: int, waiting: Sequence[str]) -> None:
        """So many checks are done, and these groups are not."""
        if self._is_shown:
            line = f"{done} of {self._total} checks; waiting for {', '.join(waiting)}"
            sys.stderr.write("\r\033[K" + (line if waiting else ""))
            sys.stderr.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        sys.exit(run(sys.argv[1:]))
    except FedbedError as error:
        sys.stderr.write(f"fedbed doctor: {error}\n")
        sys.exit(error.exit_code)
