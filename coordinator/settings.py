"""The coordinator's settings."""

from __future__ import annotations

import argparse
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from coordinator.fleet.offences import MAX_OFFENCES
from fedbed import __version__
from fedbed.cli.parser import Parser, count
from fedbed.errors import UsageError

DEFAULT_PORT = 8470
OPEN = "open"
ENROLLED = "enrolled"
MOST_PER_ADDRESS = 512
"""Connections, two for each node: boards have an address each, and 256 may share a router's."""


@dataclass(frozen=True)
class Settings:
    """Everything that a coordinator is told at start."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    state_dir: Path = Path("coordinator-state")
    twins_dir: Path | None = None
    """Where trained twins are kept; a folder in `state_dir` unless given."""
    access: str = OPEN
    """open: whoever reaches the coordinator may do everything; enrolled: only who has a token."""
    ready_file: Path | None = None
    stop_with_parent: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_dir: Path | None = None
    """A folder that `fedbed ca` made, instead of the two."""
    most_per_address: int = MOST_PER_ADDRESS

    @property
    def tls(self) -> bool:
        """Whether TLS is spoken."""
        return self.tls_dir is not None or self.tls_cert is not None

    max_offences: int = MAX_OFFENCES


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
        "--twins",
        type=Path,
        metavar="DIR",
        help="where trained centralised twins are kept for further runs, 1 GB at most "
        "(default: a folder in --state-dir)",
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
    add("--tls", type=Path, metavar="DIR", help="speak TLS, with the CA that `fedbed ca make` made")
    add("--tls-cert", type=Path, metavar="FILE", help="speak TLS with this certificate (PEM)")
    add("--tls-key", type=Path, metavar="FILE", help="private key of --tls-cert (PEM)")
    add(
        "--connections-per-address",
        type=count,
        metavar="N",
        default=MOST_PER_ADDRESS,
        help="limit for each remote address; a node has two (default: %(default)s)",
    )
    add(
        "--max-offences",
        type=_offences,
        metavar="N",
        default=MAX_OFFENCES,
        help="after N offences, such as updates with NaN, a node gets no more work; 0: never mind "
        "(default: %(default)s)",
    )
    add("--ready-file", type=Path, metavar="FILE", help="write the address here once it listens")
    add("--stop-with-parent", action="store_true", help="stop when standard input is closed")
    add("--version", action="version", version=f"fedbed {__version__}")
    return p


def parse(argv: list[str]) -> Settings:
    """Return the settings; UsageError for a port, an address or flags that won't do."""
    args = parser().parse_args(argv)
    _check_tls_flags(args)
    public = not is_loopback(args.host)
    access = args.access or (ENROLLED if public and not args.insecure else OPEN)
    if public and not args.tls and not args.tls_cert and not args.insecure:
        raise UsageError(
            f"--host: {args.host} can be reached by others, who could read and change what is "
            "sent: make a CA with `fedbed ca make DIR` and give it with --tls DIR, or say "
            "--insecure if the network is yours alone"
        )
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
        twins_dir=args.twins and args.twins.resolve(),
        access=access,
        ready_file=args.ready_file,
        stop_with_parent=args.stop_with_parent,
        tls_cert=args.tls_cert,
        tls_key=args.tls_key,
        tls_dir=args.tls,
        most_per_address=args.connections_per_address,
        max_offences=args.max_offences,
    )


def _check_tls_flags(args: argparse.Namespace) -> None:
    if args.tls and (args.tls_cert or args.tls_key):
        raise UsageError("--tls: not together with --tls-cert and --tls-key; give one or the other")
    if bool(args.tls_cert) != bool(args.tls_key):
        missing, given = ("key", "cert") if args.tls_cert else ("cert", "key")
        raise UsageError(f"--tls-{given}: needs --tls-{missing} as well")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"given '{text}', allowed: 0 to 65535")
    return int(text)


def _offences(text: str) -> int:
    if not text.isdecimal() or int(text) > 1000:
        raise argparse.ArgumentTypeError(f"given '{text}', allowed: 0 to 1000")
    return int(text)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address, or is who connects from it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
