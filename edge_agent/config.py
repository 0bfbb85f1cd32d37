"""The agent's settings, from flags, environment and a file, in this order of weight."""

from __future__ import annotations

import argparse
import os
import re
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional
from urllib.parse import urlsplit

from edge_agent import settings_file
from edge_agent.broker import settings as broker_settings
from edge_agent.broker.settings import BrokerSettings
from fedbed import __version__
from fedbed.cli.parser import Parser, count
from fedbed.errors import UsageError
from fedbed.link import trust

DEFAULT_COORDINATOR = "http://127.0.0.1:8470"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class AgentConfig:
    """Everything that an agent is told at start."""

    coordinator: str
    name: str
    state_dir: Path
    worker_python: str = sys.executable
    data_path: Optional[Path] = None
    labels: Dict[str, str] = field(default_factory=dict)
    apps_allowed: bool = False
    threads: int = 1
    blob_cache_bytes: int = 1024 * 1024 * 1024
    stop_with_parent: bool = False
    enrol_file: Optional[Path] = None
    """Holds the token that a new node trades for a credential of its own."""
    ca: Optional[Path] = None
    broker: Optional[BrokerSettings] = None
    sample_interval_s: float = 1.0
    """Between two samples of the hardware; 0: none are taken."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m edge_agent`; the `fedbed agent` command shows the same."""
    p = Parser(
        own_program=True,
        prog="fedbed agent",
        description="Join a coordinator as a node and train for it.",
        epilog="Stop with Ctrl-C. Started again with the same state folder, it is the same node.",
    )
    add = p.add_argument
    add(
        "--config",
        type=Path,
        metavar="FILE",
        help="YAML file with the settings below, which flags and environment overrule (default: "
        f"${settings_file.VARIABLE}, else {settings_file.DEFAULT} if it is there)",
    )
    add(
        "--coordinator",
        metavar="URL",
        default=os.environ.get("FEDBED_COORDINATOR", DEFAULT_COORDINATOR),
        help="where the coordinator listens (default: $FEDBED_COORDINATOR or %(default)s)",
    )
    add(
        "--ca",
        type=Path,
        metavar="FILE",
        help="trust only the coordinator's CA, in this ca.pem (default: $FEDBED_CA, else the "
        "system's CAs)",
    )
    add("--name", default=_default_name(), help="the node's name (default: %(default)s)")
    add(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="identity, spool and caches (default: ~/.local/state/fedbed/<name>)",
    )
    add(
        "--enrol-file",
        type=Path,
        metavar="FILE",
        default=os.environ.get("FEDBED_ENROL_FILE") or None,
        help="holds the enrolment token that a new node needs where `fedbed enrol` makes them "
        "(default: $FEDBED_ENROL_FILE; or the token itself in $FEDBED_ENROL_TOKEN)",
    )
    add(
        "--worker-python",
        metavar="PATH",
        default=sys.executable,
        help="interpreter that has torch (default: this one)",
    )
    add(
        "--data",
        type=Path,
        metavar="FILE",
        help="this node's own samples (.npz), for experiments with `delivery: node`",
    )
    add(
        "--label",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="describes the node, for node selection (may be repeated)",
    )
    add(
        "--threads",
        type=count,
        default=1,
        help="CPU threads of the worker; more may change the last bits (default: %(default)s)",
    )
    add(
        "--allow-apps",
        choices=("auto", "yes", "no"),
        default="auto",
        help="run Flower apps that the coordinator sends; auto: when it is on this machine "
        "(default: %(default)s)",
    )
    broker_settings.add_flags(p)
    add("--stop-with-parent", action="store_true", help="stop when standard input is closed")
    add("--version", action="version", version=f"fedbed {__version__}")
    return p


def parse(argv: List[str]) -> AgentConfig:
    """Return the settings of flags, environment and file.

    Raises:
        UsageError: it names the flag or the file's key, what was given and what is allowed.
        RequirementMissing: there is a file, and PyYAML isn't installed.
    """
    p = parser()
    path = settings_file.find(p.parse_args(argv).config)
    if path is None:
        return _checked(p.parse_args(argv))
    file = settings_file.read(path, p, argv)
    try:
        return _checked(p.parse_args([*file.flags, *argv]))
    except UsageError as error:
        raise file.named(error) from error


def _checked(args: argparse.Namespace) -> AgentConfig:
    host = _host(args.coordinator)
    if not _NAME.fullmatch(args.name):
        raise UsageError(
            f"--name: '{args.name}' may hold letters, digits, '.', '_' and '-' only, 63 at most"
        )
    if args.data is not None:
        _check_samples(args.data)
    local = host in _LOOPBACK
    return AgentConfig(
        coordinator=args.coordinator.rstrip("/"),
        name=args.name,
        state_dir=args.state_dir or _default_state_dir(args.name),
        worker_python=args.worker_python,
        data_path=args.data,
        labels=_labels(args.label),
        apps_allowed=local if args.allow_apps == "auto" else args.allow_apps == "yes",
        threads=args.threads,
        stop_with_parent=args.stop_with_parent,
        enrol_file=args.enrol_file,
        ca=trust.pinned(args.ca, args.coordinator),
        broker=broker_settings.settings(args, args.name),
        sample_interval_s=broker_settings.sample_interval(args.sample_interval),
    )


def _host(address: str) -> str:
    try:
        url = urlsplit(address)
        _ = url.port  # ValueError unless it is a number up to 65535
    except ValueError:
        url = urlsplit("")
    extras = url.path.strip("/") or url.query or url.fragment or url.username
    if url.scheme not in ("http", "https") or not url.hostname or extras:
        raise UsageError(
            f"--coordinator: '{address}' is no http:// or https:// address of a host and its port "
            f"(for example {DEFAULT_COORDINATOR})"
        )
    return url.hostname


def _check_samples(path: Path) -> None:
    """UsageError unless the file can be read and begins as an .npz does: like any zip archive."""
    if not path.is_file():
        raise UsageError(f"--data: there is no file '{path}'")
    try:
        with path.open("rb") as f:
            magic = f.read(4)
    except OSError as error:
        raise UsageError(f"--data: '{path}' can't be read ({error.strerror})") from error
    if magic != b"PK\x03\x04":
        raise UsageError(f"--data: '{path}' is no .npz file (numpy.savez writes them)")


def _default_state_dir(name: str) -> Path:
    try:
        return Path.home() / ".local" / "state" / "fedbed" / name
    except (RuntimeError, KeyError) as error:
        raise UsageError("--state-dir: needed, because this user has no home folder") from error


def _default_name() -> str:
    host = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:63].lstrip(".-_")
    return host or "node"


def _labels(given: List[str]) -> Dict[str, str]:
    labels = {}
    for item in given:
        key, separator, value = item.partition("=")
        if not separator or not _NAME.fullmatch(key):
            raise UsageError(f"--label: '{item}' is not of the form KEY=VALUE")
        labels[key] = value
    return labels
