"""Options that several commands have, and how their values are read.

Like the parsers that take them, for Python 3.8 without extras.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Tuple

from fedbed.cli.parser import count

DEFAULT_URL = "http://127.0.0.1:8470"


def add_experiment(parser: argparse.ArgumentParser) -> None:
    """Add where an experiment runs, what is changed of it, and where its results go."""
    parser.add_argument(
        "--coordinator",
        metavar="URL",
        default=os.environ.get("FEDBED_COORDINATOR") or None,
        help="run there (default: $FEDBED_COORDINATOR, else on nodes started here)",
    )
    _add_token(parser)
    _add_ca(parser)
    add_changes(parser)
    add_output(parser)


def add_changes(parser: argparse.ArgumentParser) -> None:
    """Add what changes an experiment file for this call."""
    parser.add_argument(
        "--nodes", type=count, metavar="N", help="number of nodes (default: the experiment's)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="assignments",
        help="change a key of the experiment, as in federation.rounds=5 (may be repeated)",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add where results go, and how progress is shown."""
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="where results go, a folder for each run (default: %(default)s)",
    )
    parser.add_argument(
        "--plain", action="store_true", help="print progress as lines, as when piped into a file"
    )


def add_coordinator(parser: argparse.ArgumentParser) -> None:
    """Add which coordinator is asked, by which token and CA."""
    parser.add_argument(
        "--coordinator",
        metavar="URL",
        default=os.environ.get("FEDBED_COORDINATOR") or DEFAULT_URL,
        help="default: $FEDBED_COORDINATOR or %(default)s",
    )
    _add_token(parser)
    _add_ca(parser)


def _add_token(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        default=os.environ.get("FEDBED_TOKEN_FILE") or None,
        help="holds your access token, where the coordinator asks for one "
        "(default: $FEDBED_TOKEN_FILE; or the token itself in $FEDBED_TOKEN)",
    )


def _add_ca(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ca",
        type=Path,
        metavar="FILE",
        help="trust only the coordinator's CA, in this ca.pem (default: $FEDBED_CA, else the "
        "system's CAs)",
    )


def days(text: str) -> int:
    """Read a number of days, 1 to 3650."""
    if not text.isdecimal() or not 1 <= int(text) <= 3650:
        raise argparse.ArgumentTypeError(f"given '{text}', allowed: 1 to 3650")
    return int(text)


def seed(text: str) -> int:
    """Read a seed, 0 to 2**32 - 1."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"given '{text}', allowed: 0 to {2**32 - 1}")
    return int(text)


def seeds(text: str) -> Tuple[int, ...]:
    """Read several seeds, all different, with commas between them."""
    found = tuple(seed(part.strip()) for part in text.split(","))
    if len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"given '{text}', which names a seed twice")
    return found
