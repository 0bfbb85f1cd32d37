"""The coordinator's settings."""

from __future__ import annotations

import argparse
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from fedbed import __version__
from fedbed.cli.parser import Parser
from fedbed.errors import UsageError

DEFAULT_PORT = 8470
OPEN = "open"
ENROLLED = "enrolled"


@dataclass(frozen=True)
class Settings:
    """Everything that a coordinator is told at start."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    state_dir: Path = Path("coordinator-state")
    access: str = OPEN
    """open: whoever reaches the coordinator may do everything; enrolled: only who has a token."""
    ready_file: Path | None = None
    stop_with_parent: bool = False


def parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m coordinator`."""
    p = Parser(
        own_program=True,
        prog="fedbed coordinator",
        description="Serve the API, the live page and the runs; nodes join it with `fedbed agent`.",
        epilog="Stop with Ctrl-C. Runs that are under way go on at the next start.",
    )
    add = p.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add(
        "--port",
        type=_port,
        default=DEFAULT_PORT,
        help="port to listen on, 0 for any free one (default: %(default)s)",
    )
    add(
        "--state-dir",
        type=Path,
        metavar="DIR",
        default=Path(os.environ.get("FEDBED_STATE", "coordinator-state")),
        help="database, blobs and results (default: $FEDBED_STATE or %(default)s)",
    )
    add(
        "--access",
        choices=(OPEN, ENROLLED),
        help="enrolled: nodes need an enrolment token, people an access token; open: nobody does "
        "(default: open on this machine's own addresses, enrolled on others)",
    )
    add(
        "--insecure",
        action="store_true",
        help="listen on an address that others can reach without tokens or encryption",
    )
    add("--ready-file", type=Path, metavar="FILE", help="write the address here once it listens")
    add("--stop-with-parent", action="store_true", help="stop when standard input is closed")
    add("--version", action="version", version=f"fedbed {__version__}")
    return p


def parse(argv: list[str]) -> Settings:
    """Return the settings; UsageError for a port or an address that won't do."""
    args = parser().parse_args(argv)
    public = not _is_loopback(args.host)
    access = args.access or (ENROLLED if public and not args.insecure else OPEN)
    if public and access == OPEN and not args.insecure:
        raise UsageError(
            f"--access: {args.host} can be reached by others, and nobody would be asked for a "
            "token: leave --access away, or say --insecure if the network is yours alone"
        )
    return Settings(
        host=args.host,
        port=args.port,
        # A run's process works in its own folder, where a relative path leads elsewhere.
        state_dir=args.state_dir.resolve(),
        access=access,
        ready_file=args.ready_file,
        stop_with_parent=args.stop_with_parent,
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"given '{text}', allowed: 0 to 65535")
    return int(text)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
