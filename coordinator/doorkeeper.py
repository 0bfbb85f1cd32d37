"""Who may come in: the rules of the door. Pure: addresses, bytes and times come in as values."""

from __future__ import annotations

import enum
import re
import sys
from collections import Counter
from dataclasses import dataclass

from coordinator.settings import is_loopback

TELL_EVERY_S = 60.0
_REMEMBERED = 1000
_TLS_HANDSHAKE = 0x16
"""First byte of a TLS record that carries a greeting (RFC 8446, 5.1); no HTTP method's."""
_HOST = re.compile(rb"\r\nhost:[ \t]*([A-Za-z0-9.:\[\]_-]{1,255})[ \t]*\r\n", re.IGNORECASE)
_MAPPED = "::ffff:"
"""How a socket that takes both IPv4 and IPv6 writes an IPv4 address (RFC 4291, 2.5.5.2)."""


@dataclass(frozen=True)
class Limits:
    """Connections at a time, of all and of one remote address; seconds that each step may take."""

    most: int = sys.maxsize
    most_per_address: int = sys.maxsize
    first_byte_s: float = 5.0
    handshake_s: float = 10.0
    head_s: float = 10.0


class Full(enum.Enum):
    """Which limit is reached."""

    ALL = enum.auto()
    ADDRESS = enum.auto()


class Crowd:
    """How many connections there are, and whose. This machine's own are limited in sum alone."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._count = 0
        self._of: Counter[str] = Counter()

    def enter(self, address: str) -> Full | None:
        """Count a connection in; where a limit is reached, count it not and say which."""
        if self._count >= self._limits.most:
            return Full.ALL
        if self._of[address] >= self._limits.most_per_address and not is_loopback(address):
            return Full.ADDRESS
        self._count += 1
        self._of[address] += 1
        return None

    def leave(self, address: str) -> None:
        """Count out a connection that was counted in."""
        self._count -= 1
        self._of[address] -= 1
        if not self._of[address]:
            del self._of[address]


class Sparing:
    """Lets the same word through once a minute, so that nobody can fill the log."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, ...], float] = {}

    def due(self, now: float, *word: str) -> bool:
        """Whether to say it now; then it was said."""
        last = self._told.get(word)
        if last is not None and now < last + TELL_EVERY_S:
            return False
        if len(self._told) >= _REMEMBERED:
            self._told = {w: t for w, t in self._told.items() if now < t + TELL_EVERY_S}
            if len(self._told) >= _REMEMBERED:
                return False
        self._told[word] = now
        return True


class Greeting(enum.Enum):
    """What a connection begins with, seen from this port."""

    OURS = enum.auto()
    """Maybe not well-formed, but for the protocol that is spoken here to say so."""
    HTTP_TO_TLS = enum.auto()
    TLS_TO_HTTP = enum.auto()
    NOISE = enum.auto()
    """On a TLS port: neither TLS nor HTTP."""


def greeting(first: bytes, tls: bool) -> Greeting:
    """Tell by the first byte or more what a peer speaks."""
    is_tls = first[0] == _TLS_HANDSHAKE
    if is_tls == tls:
        return Greeting.OURS
    if not tls:
        return Greeting.TLS_TO_HTTP
    return Greeting.HTTP_TO_TLS if first[:1].isalpha() else Greeting.NOISE


def https_address(head: bytes, host: str, port: int) -> str:
    """Return where to go instead: as the request's Host header calls us, or else by `host`."""
    named = _HOST.search(head)
    if named is not None:
        return f"https://{named.group(1).decode('ascii')}"
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"


def plain_address(host: str) -> str:
    """Return an IPv4 address as such, however the socket that took the connection writes it."""
    return host[len(_MAPPED) :] if host.startswith(_MAPPED) and "." in host else host
