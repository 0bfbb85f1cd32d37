"""The coordinator's settings."""

from __future__ import annotations

import argparse
import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from coordinator.fleet.offences import MAX_OFFENCES
from fedbed import __version__, secret
from fedbed.cli.parser import Parser, count
from fedbed.errors import UsageError

DEFAULT_PORT = 8470
OPEN = "open"
ENROLLED = "enrolled"
MOST_PER_ADDRESS = 512
"""Connections, two for each node: boards have an address each, and 256 may share a router's."""
INFLUX_TOKEN = "FEDBED_INFLUX_TOKEN"  # nosec B105 # the variable's name


@dataclass(frozen=True)
class Influx:
    """Which InfluxDB the coordinator writes to; 1.8 knows buckets as databases."""

    url: str
    org: str = "fedbed"
    bucket: str = "fedbed"
    given_token: str = field(default="", repr=False)
    token_file: Path | None = None
    """Where the token lies; looked at again when the database doesn't know it."""

    def token(self) -> str:
        """Return the token as it is now; empty where none is needed. Raises as `secret.read`."""
        if self.token_file is None:
            return self.given_token
        return secret.read(self.token_file, "--influx-token-file")


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
    influx: Influx | None = None
    """None: nothing is written to a database of samples."""

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
    _add_influx(p)
    add("--ready-file", type=Path, metavar="FILE", help="write the address here once it listens")
    add("--stop-with-parent", action="store_true", help="stop when standard input is closed")
    add("--version", action="version", version=f"fedbed {__version__}")
    return p


def _add_influx(p: Parser) -> None:
    env = os.environ.get
    p.add_argument(
        "--influx-url",
        metavar="URL",
        default=env("FEDBED_INFLUX_URL", ""),
        help="write rounds, nodes and events to this InfluxDB (default: $FEDBED_INFLUX_URL; "
        "without either, nothing is written)",
    )
    p.add_argument(
        "--influx-org",
        metavar="NAME",
        default=env("FEDBED_INFLUX_ORG", "fedbed"),
        help="its organisation (default: $FEDBED_INFLUX_ORG or fedbed)",
    )
    p.add_argument(
        "--influx-bucket",
        metavar="NAME",
        default=env("FEDBED_INFLUX_BUCKET", "fedbed"),
        help="its bucket (default: $FEDBED_INFLUX_BUCKET or fedbed)",
    )
    p.add_argument(
        "--influx-token-file",
        type=Path,
        metavar="FILE",
        help=f"file with a token that may read and write the bucket (default: ${INFLUX_TOKEN}, the "
        "token itself)",
    )


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
        influx=_influx(args),
    )


def _influx(args: argparse.Namespace) -> Influx | None:
    if not args.influx_url:
        return None
    try:
        parts = urlsplit(args.influx_url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # ValueError for one that is no port
    except ValueError:
        is_address = False
    # Part of a log line and of requests' heads.
    is_plain = args.influx_url.isascii() and args.influx_url.isprintable()
    if not is_address or not is_plain or parts.query or parts.fragment:
        raise UsageError(
            f"--influx-url: '{args.influx_url}' is no address; give one such as http://pc:8086"
        )
    if parts.username or parts.password:
        raise UsageError(
            f"--influx-url: everybody sees flags; give a token with ${INFLUX_TOKEN} or "
            "--influx-token-file instead of a password in the address"
        )
    file = args.influx_token_file and args.influx_token_file.resolve()
    try:
        token = secret.given(file, "--influx-token-file", INFLUX_TOKEN)
    except OSError as error:
        raise UsageError(
            f"--influx-token-file: '{file}' can't be read ({error.strerror or error})"
        ) from error
    return Influx(args.influx_url.rstrip("/"), args.influx_org, args.influx_bucket, token, file)


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
