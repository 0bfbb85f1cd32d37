"""Where the broker is and who the agent is to it, from flags and environment."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Optional
from urllib.parse import SplitResult, urlsplit

from edge_agent.plugs import Plug
from fedbed import secret
from fedbed.errors import UsageError
from fedbed.link import trust
from fedbed.units import parse_duration

ADDRESS, PASSWORD = "FEDBED_BROKER", "FEDBED_BROKER_PASSWORD"
_PORTS = {"mqtt": 1883, "mqtts": 8883}
SHORTEST_INTERVAL_S = 0.1


@dataclass(frozen=True)
class BrokerSettings:
    """How to reach a broker, and which of its other clients is this node's plug."""

    host: str
    port: int
    tls: bool
    user: str
    password_file: Optional[Path] = None
    ca: Optional[Path] = None
    plug: Optional[Plug] = None

    @property
    def url(self) -> str:
        """The broker's address, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"

    def password(self) -> str:
        """Read the password, which may have been changed since; empty if none is given.

        UsageError for a file that can't be read or holds something else.
        """
        try:
            return secret.given(self.password_file, "--broker-password-file", PASSWORD)
        except OSError as error:
            raise UsageError(
                f"--broker-password-file: '{self.password_file}' can't be read ({error.strerror})"
            ) from error


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the broker's flags to the agent's."""
    add = parser.add_argument_group("monitoring, by way of an MQTT broker").add_argument
    add(
        "--broker",
        metavar="URL",
        default=os.environ.get(ADDRESS) or None,
        help=f"tell of state and hardware there: mqtt://HOST or mqtts://HOST (default: ${ADDRESS}, "
        "else tell nobody)",
    )
    add("--broker-user", metavar="NAME", help="the broker's name for this node (default: --name)")
    add(
        "--broker-password-file",
        type=Path,
        metavar="FILE",
        help=f"holds the password for the broker (default: the password itself in ${PASSWORD})",
    )
    add(
        "--broker-ca",
        type=Path,
        metavar="FILE",
        help="trust only the broker's CA, in this ca.pem (default: the system's CAs)",
    )
    add(
        "--sample-interval",
        metavar="TIME",
        default="1s",
        help="how often the hardware is measured, 0 for never (default: %(default)s)",
    )
    add(
        "--plug",
        metavar="KIND:NAME",
        help="the smart plug that feeds this node: tasmota:NAME, shelly:NAME (second generation "
        "and later) or shelly1:NAME, as it is called in its MQTT topics",
    )


def settings(args: argparse.Namespace, node: str) -> Optional[BrokerSettings]:
    """Return what the flags say of a broker; None without one.

    UsageError names the flag, what was given and what is allowed.
    """
    if args.broker is None:
        for flag in ("broker_user", "broker_password_file", "broker_ca", "plug"):
            if getattr(args, flag) is not None:
                raise UsageError(f"--{flag.replace('_', '-')}: needs --broker")
        return None
    address = _address(args.broker)
    user = node if args.broker_user is None else args.broker_user
    if not user or not user.isprintable() or len(user) > 200:
        raise UsageError(f"--broker-user: '{user[:40]}' is no name")
    tls = address.scheme == "mqtts"
    if args.broker_ca is not None:
        if not tls:
            raise UsageError(
                f"--broker-ca: is for mqtts:// addresses, and {args.broker} is none: nobody is "
                "checked there"
            )
        trust.context(args.broker_ca, peer=trust.BROKER)
    found = BrokerSettings(
        host=address.hostname or "",
        port=address.port or _PORTS[address.scheme],
        tls=tls,
        user=user,
        password_file=_absolute(args.broker_password_file),
        ca=_absolute(args.broker_ca),
        plug=None if args.plug is None else _plug(args.plug),
    )
    found.password()
    return found


def sample_interval(text: str) -> float:
    """Return seconds between two samples, 0 for none; UsageError for what is no such time."""
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--sample-interval: {error}") from error
    if 0 < seconds < SHORTEST_INTERVAL_S:
        raise UsageError(
            f"--sample-interval: given '{text}', allowed: 0 for never, or at least "
            f"{SHORTEST_INTERVAL_S:g} s"
        )
    return seconds


def _address(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port  # ValueError unless it is a number up to 65535
    except ValueError:
        url = urlsplit("")
    extras = url.path.strip("/") or url.query or url.fragment or url.username is not None
    if url.scheme not in _PORTS or not url.hostname or extras or url.port == 0:
        shown = text if url.password is None else "(an address with a password)"
        raise UsageError(
            f"--broker: '{shown}' is no mqtt:// or mqtts:// address of a host and its port (for "
            "example mqtts://lab-pc:8883); the user's name and password have flags of their own"
        )
    return url


def _plug(text: str) -> Plug:
    try:
        return Plug.named(text)
    except ValueError as error:
        raise UsageError(f"--plug: {error}") from error


def _absolute(path: Optional[Path]) -> Optional[Path]:
    return None if path is None else path.absolute()
