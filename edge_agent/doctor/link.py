"""The way to the coordinator: is it there, does it let this node in, what does the way carry?

One connection, as the agent has it: `GET /api/v1/health`, then `POST /api/v1/knock` without and
with padding. A knock changes nothing at the coordinator; one that is too old to answer it is told
apart by NotFound.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional
from urllib.parse import urlsplit

from edge_agent import enrolment
from edge_agent.clock import Clock
from edge_agent.doctor.check import Check, Group
from edge_agent.doctor.setup import Setup
from edge_agent.link import Link
from fedbed import __version__
from fedbed.errors import CoordinatorAway, FedbedError, NotFound, StorageFull, TooBusy, Untrusted
from fedbed.link.health import FAIL, Finding
from fedbed.units import format_bytes, format_duration

LIMIT_S = 13.0
KNOCKS = 5
FIRST_BYTES, FULL_BYTES = 64 * 1024, 512 * 1024
SHORT_S = 0.25
"""What took less says little of the rate: the full size is tried."""
CARRY_LIMIT_S = 4.0
IP_MTU = 14
"""ip(7); Python's `socket` doesn't name it. IPV6_MTU is ipv6(7)'s."""
IPV6_MTU = 24
LEAST_MTU = 1280
"""What every IPv6 link carries: RFC 8200, section 5."""
SLOW_DELAY_S, DEAD_DELAY_S = 0.3, 5.0
"""The latter is coordinator.fleet.contact.SILENCE_S: a node that polls later counts as lost."""
SLOW_BYTES_S, DEAD_BYTES_S = 125_000.0, 1000.0
"""1 Mbit/s; and the slowest body that a coordinator takes (docs/hostile-input.md)."""
OFF_S, FAR_OFF_S = 5.0, 86400.0
EARLIEST = 1_735_689_600.0
"""2025-01-01: a clock that shows an earlier date was never set."""
DAYS_LEFT = 14
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_OLD = "the coordinator is too old to tell"
_AWAY = "the coordinator can't be asked"

COORDINATOR = Check(
    "coordinator",
    warns="",
    fails="no fedbed coordinator answers at the address",
    why="without it there is nothing to train for; an agent waits until it answers",
    mend="start `fedbed coordinator` there, open its port in the firewall, or name the right "
    "address with --coordinator",
)
TLS = Check(
    "tls",
    warns="credentials travel unencrypted to another machine, or the certificate ends within "
    "14 days",
    fails="its certificate can't be trusted: another CA, other names, or a time that hasn't come",
    why="who can listen on the way can take the node's credential, and who can stand in for the "
    "coordinator can send it any model",
    mend="fedbed ca issue HOST   # on the coordinator; give its ca.pem to the agent with --ca",
    source="[RFC 5280](https://www.rfc-editor.org/rfc/rfc5280), section 6",
)
ADMISSION = Check(
    "admission",
    warns="the node is drained or set aside: it gets no work",
    fails="the coordinator wouldn't let it in: no or an expired token, a name that is taken, "
    "a key that was removed",
    why="a node that isn't let in ends with an error, and doesn't try again",
    mend="fedbed enrol NAME --output NAME.token   # on the coordinator; --enrol-file on the node",
)
VERSION = Check(
    "version",
    warns="agent and coordinator are of different versions",
    fails="",
    why="they understand each other, but what is new in one of them is not used",
    mend="pip install --upgrade fedbed   # in the agent's environment, or on the coordinator",
)
CLOCK = Check(
    "clock",
    warns="it is more than 5 s off the coordinator's",
    fails="it is more than a day off, or shows a time before 2025",
    why="nothing that trains depends on it, but certificates without --ca, apt and the journal do",
    mend="sudo apt install chrony && sudo chronyc makestep",
    source="offset as in [RFC 5905](https://www.rfc-editor.org/rfc/rfc5905), section 8",
)
DELAY = Check(
    "delay",
    warns="an answer takes more than 300 ms",
    fails="an answer takes more than 5 s",
    why="each round waits for it several times; after 5 s of silence a node counts as lost",
    mend="use a cable, or move the board nearer to the access point",
)
BANDWIDTH = Check(
    "bandwidth",
    warns="less than 1 Mbit/s in one of both directions",
    fails="less than 1 kB/s, or nothing comes through",
    why="at 1 Mbit/s a model of 6.7 MB takes a minute, each way, in each round; slower bodies than "
    "1 kB/s are refused",
    mend="use a cable or 5 GHz Wi-Fi, or choose `codec: {up: small}` in the experiment",
)
MTU = Check(
    "mtu",
    warns="packets on the way may have less than 1280 bytes",
    fails="small messages come through and large ones don't",
    why="a router that drops large packets without a word (an MTU black hole) lets a node join, "
    "and then hang in its first download",
    mend="sudo ip link set dev eth0 mtu 1280",
    source="[RFC 4821](https://www.rfc-editor.org/rfc/rfc4821); IP_MTU in "
    "[ip(7)](https://man7.org/linux/man-pages/man7/ip.7.html)",
)
CHECKS = (COORDINATOR, TLS, ADMISSION, VERSION, CLOCK, DELAY, BANDWIDTH, MTU)


@dataclass
class Reading:
    """What was learnt of the way. error: why there is no way, before anything else was asked.

    ends_at: when the certificate ends, by seconds since 1970. delays_s: of knocks without padding.
    refusal: why the node would not be let in; is_old: the coordinator doesn't answer knocks.
    up, down: bytes a second; stuck: what became of padding that didn't come through.
    """

    error: Optional[FedbedError] = None
    version: str = ""
    ends_at: Optional[float] = None
    is_old: bool = False
    refusal: Optional[FedbedError] = None
    known: bool = False
    withheld: str = ""
    delays_s: List[float] = field(default_factory=list)
    ahead_s: Optional[float] = None
    error_s: float = 0.0
    up: Optional[float] = None
    down: Optional[float] = None
    stuck: str = ""
    mtu: Optional[int] = None


def judge_coordinator(reading: Reading, url: str) -> Finding:
    """Conclude on whether it is there."""
    error = reading.error
    if isinstance(error, Untrusted):
        return COORDINATOR.skipped(f"what listens at {url} can't be trusted")
    if error is not None:
        return COORDINATOR.fail(str(error))
    return COORDINATOR.ok(f"{url} answers")


def judge_tls(reading: Reading, url: str, now: float) -> Finding:
    """Conclude on trust; now: seconds since 1970."""
    if isinstance(reading.error, Untrusted) or "certificate" in str(reading.error or ""):
        return TLS.fail(str(reading.error))
    if reading.error is not None:
        return TLS.skipped(_AWAY)
    parts = urlsplit(url)
    if parts.scheme != "https":
        if parts.hostname in _LOOPBACK:
            return TLS.ok("none, and none is needed on this machine")
        return TLS.warn("none: what is sent to this coordinator can be read on the way")
    if reading.ends_at is None:
        return TLS.ok("the certificate is trusted")
    days = (reading.ends_at - now) / 86400
    text = f"the certificate is trusted, and ends in {days:.0f} days"
    return TLS.warn(text) if days < DAYS_LEFT else TLS.ok(text)


def judge_admission(reading: Reading, name: str) -> Finding:
    """Conclude on whether the node is let in."""
    if reading.refusal is not None:
        return ADMISSION.fail(str(reading.refusal), _mend_of(reading.refusal, name))
    if reading.error is not None or reading.is_old:
        return ADMISSION.skipped(_AWAY if reading.error is not None else _OLD)
    if reading.withheld:
        mend = f"fedbed nodes resume {name}   # on the coordinator"
        return ADMISSION.warn(f"'{name}' {reading.withheld}", mend)
    how = "is known there" if reading.known else "would be let in as a new node"
    return ADMISSION.ok(f"'{name}' {how}")


def judge_version(reading: Reading, ours: str) -> Finding:
    """Conclude on both versions."""
    if reading.error is not None:
        return VERSION.skipped(_AWAY)
    if reading.version != ours:
        return VERSION.warn(f"agent {ours}, coordinator {reading.version or 'unknown'}")
    return VERSION.ok(f"{ours} on both sides")


def judge_clock(reading: Reading, now: float) -> Finding:
    """Conclude on the wall clock; now: what it shows, in seconds since 1970."""
    shown = time.strftime("%Y-%m-%d %H:%M", time.gmtime(now)) + " UTC"
    if now < EARLIEST:
        return CLOCK.fail(f"it shows {shown}: it was never set")
    if reading.ahead_s is None:
        return CLOCK.skipped(f"it shows {shown}; there is no coordinator's to compare it with")
    off = abs(reading.ahead_s)
    which = "ahead of" if reading.ahead_s > 0 else "behind"
    text = f"{format_duration(off)} {which} the coordinator's"
    if off - reading.error_s > FAR_OFF_S:
        return CLOCK.fail(text)
    if off - reading.error_s > OFF_S:
        return CLOCK.warn(text)
    return CLOCK.ok(f"{text}, give or take {format_duration(reading.error_s)}")


def judge_delay(reading: Reading) -> Finding:
    """Conclude on how long an answer takes: the median of some."""
    if not reading.delays_s:
        return DELAY.skipped(_AWAY)
    middle = statistics.median(reading.delays_s)
    text = f"{format_duration(middle)} (median of {len(reading.delays_s)})"
    if middle > DEAD_DELAY_S:
        return DELAY.fail(text)
    return DELAY.warn(text) if middle > SLOW_DELAY_S else DELAY.ok(text)


def judge_bandwidth(reading: Reading, light: bool) -> Finding:
    """Conclude on both directions; light: nothing was carried, because the node trains."""
    if reading.stuck:
        return BANDWIDTH.fail(reading.stuck)
    if reading.up is None or reading.down is None:
        busy = "the node trains: that would be slowed down"
        return BANDWIDTH.skipped(busy if light else _OLD if reading.is_old else _AWAY)
    text = f"{_rate(reading.up)} up, {_rate(reading.down)} down"
    slowest = min(reading.up, reading.down)
    if slowest < DEAD_BYTES_S:
        return BANDWIDTH.fail(text)
    return BANDWIDTH.warn(text) if slowest < SLOW_BYTES_S else BANDWIDTH.ok(text)


def judge_mtu(reading: Reading) -> Finding:
    """Conclude on the size of packets."""
    if reading.stuck and reading.delays_s:
        known = "" if reading.mtu is None else f", although the kernel takes {reading.mtu} for good"
        return MTU.fail(f"large packets don't come through{known}")
    if reading.mtu is None:
        return MTU.skipped(_AWAY if reading.error is not None else "the kernel doesn't tell")
    text = f"{reading.mtu} bytes"
    return MTU.warn(text) if reading.mtu < LEAST_MTU else MTU.ok(text)


def _mend_of(refusal: FedbedError, name: str) -> str:
    if refusal.code == "NameTaken":
        return f"give it another --name, or on the coordinator: fedbed nodes remove {name}"
    return f"fedbed enrol {name} --output {name}.token   # on the coordinator; then --enrol-file"


def _rate(bytes_s: float) -> str:
    return f"{format_bytes(int(bytes_s))}/s"


class _Way:
    """Asks the coordinator, and notes what that says of the way."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._link = Link(setup.coordinator, setup.ca)
        self._body: Dict[str, Any] = {"name": setup.name, "key": _key(setup.state_dir)}
        self._clock = Clock()
        self.reading = Reading()

    def read(self) -> Reading:
        """Go all the way, as far as it leads."""
        reading = self.reading
        try:
            sent = self._clock.now()
            health = self._link.call("GET", "/api/v1/health", timeout_s=CARRY_LIMIT_S)
            self._clock.learn(sent, self._clock.now(), health.get("now_s"), 0.0)
            if health.get("product") != "fedbed":
                raise CoordinatorAway(f"{self._setup.coordinator} is no fedbed coordinator")
            reading.version = str(health.get("version", ""))
            reading.ends_at = _end_of_certificate(self._link.socket)
            self._knock_often()
            if not (self._setup.light or reading.is_old or reading.refusal or reading.error):
                self._carry()
            reading.mtu = reading.mtu or _mtu(self._link.socket)
        except FedbedError as error:
            reading.error = error
        finally:
            self._link.close()
        reading.ahead_s = self._clock.wall_ahead_s()
        reading.error_s = self._clock.error_s() or 0.0
        return reading

    def _knock_often(self) -> None:
        try:
            self._link.token = enrolment.token(self._setup.enrol_file)
            for _ in range(KNOCKS):
                self._knock()
        except NotFound:
            self.reading.is_old = True
        except (CoordinatorAway, Untrusted) as error:
            if isinstance(error, (StorageFull, TooBusy)):
                self.reading.refusal = error
            raise
        except FedbedError as error:
            self.reading.refusal = error

    def _knock(self) -> None:
        reading = self.reading
        sent, began = self._clock.now(), time.monotonic()
        answer = self._ask()
        reading.delays_s.append(time.monotonic() - began)
        self._clock.learn(sent, self._clock.now(), answer.get("now_s"), 0.0)
        reading.known = bool(answer.get("known"))
        reading.withheld = str(answer.get("withheld", ""))[:200]

    def _carry(self) -> None:
        """Measure both ways; what doesn't come through in time is a finding, not an error."""
        reading = self.reading
        reading.mtu = _mtu(self._link.socket)
        delay_s = statistics.median(reading.delays_s)
        try:
            reading.up = _rate_of(lambda n: self._ask(padding=secrets.token_hex(n // 2)), delay_s)
            reading.down = _rate_of(lambda n: self._ask(want_bytes=n), delay_s)
        except CoordinatorAway as error:
            which = "sent" if reading.up is None else "received"
            reading.stuck = f"{format_bytes(FIRST_BYTES)} and more could not be {which} ({error})"

    def _ask(self, **more: Any) -> Dict[str, Any]:
        return self._link.call(
            "POST", "/api/v1/knock", {**self._body, **more}, timeout_s=CARRY_LIMIT_S
        )


def _rate_of(carry: Callable[[int], Any], delay_s: float) -> float:
    """Return bytes a second of what `carry` carries; the answer's delay is taken off."""
    rate = 0.0
    for size in (FIRST_BYTES, FULL_BYTES):
        began = time.monotonic()
        carry(size)
        took_s = time.monotonic() - began
        rate = size / max(took_s - delay_s, took_s / 10, 1e-6)
        if took_s > SHORT_S:
            break
    return rate


def _key(state_dir: Path) -> str:
    """Return the node's key; of a node that has none yet, one that nobody has."""
    with contextlib.suppress(OSError):
        key = (state_dir / "node.key").read_text(errors="replace").strip()
        if key:
            return key
    return secrets.token_hex(32)


def _end_of_certificate(connected: Optional[socket.socket]) -> Optional[float]:
    if not isinstance(connected, ssl.SSLSocket):
        return None
    end = (connected.getpeercert() or {}).get("notAfter")
    return ssl.cert_time_to_seconds(end) if isinstance(end, str) else None


def _mtu(connected: Optional[socket.socket]) -> Optional[int]:
    """Return the path MTU of a connection as the kernel knows it by now."""
    if connected is None:
        return None
    level, option = socket.IPPROTO_IP, IP_MTU
    if connected.family == socket.AF_INET6:
        level, option = socket.IPPROTO_IPV6, IPV6_MTU
    try:
        return connected.getsockopt(level, option)
    except OSError:
        return None


def _examine(setup: Setup) -> List[Finding]:
    reading = _Way(setup).read()
    now = time.time()
    return [
        judge_coordinator(reading, setup.coordinator),
        judge_tls(reading, setup.coordinator, now),
        judge_admission(reading, setup.name),
        judge_version(reading, __version__),
        judge_clock(reading, now),
        judge_delay(reading),
        judge_bandwidth(reading, setup.light),
        judge_mtu(reading),
    ]


GROUP = Group("link", CHECKS, _examine, limit_s=LIMIT_S, overrun=FAIL)
