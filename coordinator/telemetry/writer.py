"""Points on their way to InfluxDB: in batches, by a thread of its own, again until they are there.

Nothing here makes a round wait. While the database is away, slow, or doesn't let us in, points wait
in a buffer of bounded size, keep their timestamps, and go as soon as it takes them. What has gone
wrong is said once, in one line, until it is something else.

Imported only where a database is configured: its library takes time and memory.
"""

from __future__ import annotations

import contextlib
import logging
import random
import re
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from coordinator.settings import Influx
from fedbed.errors import UsageError
from fedbed.logs import printable
from fedbed.telemetry.backlog import Chunk
from fedbed.telemetry.outbox import Limits, Outbox
from fedbed.telemetry.point import Point
from fedbed.units import format_duration

log = logging.getLogger("fedbed.telemetry")
GATHER_S = 0.3
"""How long points are gathered: what changes is to be seen in the database within a second."""
TIMEOUT_S = 10.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
STOP_S = 2.0
"""How long the last points may take at the end; what isn't there by then waits on disk."""
REFUSALS_S = 60.0
"""Refused points are spoken of once in that time, and counted always."""
LIMITS = Limits(memory_bytes=4_000_000, disk_bytes=64_000_000, batch_bytes=500_000)
"""A proxy before the database may take 1 MB at a time."""
_REFUSED = (400, 413, 422)
"""What another try won't help."""
_DROPPED = re.compile(r"dropped=([0-9]{1,9})")
OnTrouble = Callable[[str, bool], None]


class Writer:
    """Start with `start`, end with `stop`. `on_trouble(line, is_trouble)` is for people.

    It is called by the writer's own thread, when writing begins to fail, fails for another reason,
    or goes on.
    """

    def __init__(
        self,
        influx: Influx,
        folder: Path,
        on_trouble: OnTrouble,
        limits: Limits = LIMITS,
        timeout_s: float = TIMEOUT_S,
        longest_pause_s: float = LONGEST_PAUSE_S,
    ) -> None:
        self._influx = influx
        self._on_trouble = on_trouble
        self._outbox = Outbox(folder, limits, whose="InfluxDB")
        self._timeout_s = timeout_s
        self._longest_pause_s = longest_pause_s
        self._client = self._connect(influx.given_token)
        self._token = influx.given_token
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._trouble = ""
        self._refused_at = -REFUSALS_S
        self._thread = threading.Thread(target=self._serve, name="influx", daemon=True)

    @property
    def waiting(self) -> int:
        """Points that aren't in the database yet."""
        return self._outbox.waiting

    @property
    def dropped(self) -> int:
        """Points that were given up since the start."""
        return self._outbox.dropped

    def start(self) -> None:
        """Begin to write, with what an earlier life has left."""
        self._outbox.open()
        self._thread.start()
        self._wake.set()

    def put(self, points: Iterable[Point]) -> None:
        """Have points written; returns at once."""
        self._outbox.add(points)
        self._wake.set()

    def stop(self) -> None:
        """Write what can be written at once, and leave the rest on disk for the next life."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)
        # A thread that hangs in a slow request ends with the process; its batch is still ours.
        self._outbox.close()

    def _connect(self, token: str) -> InfluxDBClient:
        influx = self._influx
        timeout_ms = int(self._timeout_s * 1000)
        return InfluxDBClient(influx.url, token, org=influx.org, timeout=timeout_ms)

    def _serve(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            self._wake.wait()
            self._stopping.wait(GATHER_S)
            self._wake.clear()
            is_well = self._deliver()
            if self._stopping.is_set():
                return
            if is_well:
                pause_s = FIRST_PAUSE_S
                continue
            self._outbox.tidy()
            self._stopping.wait(pause_s * random.uniform(0.7, 1.0))  # nosec B311 # no secret
            pause_s = min(2 * pause_s, self._longest_pause_s)
            self._wake.set()

    def _deliver(self) -> bool:
        """Write all that waits; returns whether the database takes it."""
        while (batch := self._outbox.next()) is not None:
            why, refused = self._try(batch)
            if why:
                self._say(why)
                return False
            self._outbox.done(refused)
            self._say("")
        return True

    def _try(self, batch: Chunk) -> tuple[str, int]:
        """Write a batch; returns why the database doesn't take it now, empty if it has.

        And how many of its points it will never take.
        """
        try:
            with self._client.write_api(write_options=SYNCHRONOUS) as api:
                api.write(self._influx.bucket, self._influx.org, batch.data)
        except ApiException as error:
            if error.status in _REFUSED:
                return "", self._refused(batch, error)
            return self._trouble_with(error), 0
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return self._trouble_with(error), 0
        return "", 0

    def _trouble_with(self, error: Exception) -> str:
        influx = self._influx
        if isinstance(error, ApiException):
            if error.status in (401, 403):
                self._look_at_token()
            return complaint(influx, error.status or 0, str(error.reason))
        # A refused connection is a time-out, too, as urllib3 sees it.
        timed_out = isinstance(error, urllib3.exceptions.TimeoutError)
        if timed_out and not isinstance(error, urllib3.exceptions.NewConnectionError):
            patience = format_duration(self._timeout_s)
            return f"InfluxDB at {influx.url} doesn't answer within {patience}"
        return _unreachable(influx, error)

    def _refused(self, batch: Chunk, error: ApiException) -> int:
        """Say what the database refuses for good; returns how many points."""
        said = printable(" ".join(str(error.body or error.reason).split()))[:300]
        counted = _DROPPED.search(said)
        lost = min(batch.points, int(counted[1])) if counted else batch.points
        now = time.monotonic()
        if now - self._refused_at > REFUSALS_S:
            self._refused_at = now
            line = f"InfluxDB at {self._influx.url} refuses {lost} points for good: {said}"
            log.warning("%s", line)
            self._on_trouble(line, True)
        return lost

    def _look_at_token(self) -> None:
        """Take another token, if its file holds one by now."""
        with contextlib.suppress(OSError, UsageError):
            token = self._influx.token()
            if token != self._token:
                self._token = token
                self._client.close()  # type: ignore[no-untyped-call]
                self._client = self._connect(token)

    def _say(self, trouble: str) -> None:
        """Tell people, if it is something else than they were told last."""
        before, self._trouble = self._trouble, trouble
        if trouble == before:
            return
        if trouble:
            line = f"{trouble}; runs go on, and points wait"
            log.warning("%s", line)
        else:
            line = f"InfluxDB takes points again; {self.dropped} were given up so far"
            log.info("%s", line)
        self._on_trouble(line, bool(trouble))


def complaint(influx: Influx, status: int, reason: str) -> str:
    """Return what is wrong where the database answers with a status. Pure."""
    if status in (401, 403):
        return (
            f"InfluxDB at {influx.url} doesn't accept the token: give one that may read and write "
            f"the bucket '{influx.bucket}', with --influx-token-file or $FEDBED_INFLUX_TOKEN"
        )
    if status == 404:
        return (
            f"InfluxDB at {influx.url} has no bucket '{influx.bucket}' of the organisation "
            f"'{influx.org}': make it, or name another with --influx-bucket and --influx-org"
        )
    words = printable(" ".join(reason.split()))[:200]
    return (
        f"InfluxDB at {influx.url} answers with status {status}: {words}"
        if status
        else (f"InfluxDB at {influx.url} can't be trusted: {words}")
    )


def _unreachable(influx: Influx, error: BaseException) -> str:
    return f"InfluxDB at {influx.url} can't be reached ({_cause(error)})"


def _cause(error: BaseException) -> str:
    """Return the innermost reason, in a few words."""
    inner = getattr(error, "reason", None)
    if isinstance(inner, BaseException):
        return _cause(inner)
    if error.__cause__ is not None:
        return _cause(error.__cause__)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return printable(" ".join(str(error).split()))[:200] or type(error).__name__
