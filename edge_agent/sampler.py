"""Reads all probes once a second, and hands on what they measure as points with a time.

Nothing here waits for the network, and nothing that trains waits for this: whoever takes the points
keeps them, and a probe that hangs is left alone (edge_agent/lanes.py).
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections import deque
from typing import Callable, Deque, Dict, List, Optional, Protocol, Sequence, Tuple

from edge_agent.lanes import LIMIT_S, lanes
from edge_agent.probes.base import Probe
from fedbed.telemetry.point import Point, Sample

log = logging.getLogger("fedbed.probes")
INTERVAL_S = 1.0
HELD = 2000
"""Samples that wait until the coordinator's time is known: some minutes, about 1 MB."""


class Stamps(Protocol):
    """A clock that samples are noted with, and the dates of its moments (edge_agent/clock.py)."""

    def now(self) -> float:
        """Return the moment, in seconds."""

    def stamp_ns(self, at: float) -> Optional[int]:
        """Return a moment as nanoseconds since 1970; None while that can't be said."""


class Sampler:
    """A thread that samples. deliver: takes points, and is quick about it.

    `sample` does the same once, for who has a thread of his own.
    """

    def __init__(
        self,
        node: str,
        clock: Stamps,
        probes: Sequence[Probe],
        deliver: Callable[[List[Point]], None],
        interval_s: float = INTERVAL_S,
    ) -> None:
        self.failures = 0
        """Probes that have failed or taken too long, so far."""
        self.dropped = 0
        """Samples that were given up before the coordinator's time was known, or at delivery."""
        self._node = node
        self._clock = clock
        self._probes = list(probes)
        self._lanes = lanes(self._probes)
        self._deliver = deliver
        self._interval_s = interval_s
        self._held: Deque[Tuple[float, Sample]] = deque()
        self._said: Dict[str, str] = {}
        self._thread: Optional[threading.Thread] = None
        self._wake = -1
        """The end of a pipe that the thread watches as it waits; closed to stop it."""

    def start(self) -> None:
        """Begin to sample."""
        present = [probe.name for probe in self._probes if not probe.absent]
        log.info("probes: %s", ", ".join(present) or "none")
        woken, self._wake = os.pipe()
        self._thread = threading.Thread(
            target=self._run, args=(woken,), name="sampler", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Sample no more, and let go of what probes hold."""
        if self._thread is not None:
            os.close(self._wake)
            self._thread.join(LIMIT_S + 1.0)
            self._thread = None
        for lane in self._lanes:
            lane.stop()
        for probe in self._probes:
            probe.close()

    def sample(self) -> List[Point]:
        """Read all probes that are present; returns what can be stamped by now."""
        at = self._clock.now()
        for lane in self._lanes:
            lane.begin(at)
        # The quick ones are ready at once; what slow ones have read comes along the next time.
        for number, lane in enumerate(self._lanes):
            for reading in lane.collect(patient=number == 0):
                for probe, why in reading.failures:
                    self._note_failure(f"the probe '{probe.name}'", why)
                self._held.extend((reading.at, sample) for sample in reading.samples)
        return self._stamped()

    def _run(self, woken: int) -> None:
        try:
            next_at = time.monotonic()
            while True:
                next_at = max(next_at + self._interval_s, time.monotonic())
                pause_s = max(0.0, next_at - time.monotonic())
                # Not an Event: before Python 3.11 its time-outs go by the wall clock, and one that
                # is set back by an hour would have us wait for an hour.
                if select.select([woken], [], [], pause_s)[0]:
                    return
                points = self.sample()
                if points:
                    self._hand_on(points)
        finally:
            os.close(woken)

    def _hand_on(self, points: List[Point]) -> None:
        try:
            self._deliver(points)
        except Exception as error:  # noqa: BLE001 - the next ones may get through
            self.dropped += len(points)
            self._note_failure("the delivery of samples", str(error) or type(error).__name__)

    def _stamped(self) -> List[Point]:
        points = []
        while self._held:
            at, sample = self._held[0]
            stamp_ns = self._clock.stamp_ns(at)
            if stamp_ns is None:
                break
            self._held.popleft()
            tags = {"node": self._node, **sample.tags}
            points.append(Point(sample.measurement, tags, sample.fields, stamp_ns))
        while len(self._held) > HELD:
            self._held.popleft()
            self.dropped += 1
        return points

    def _note_failure(self, what: str, why: str) -> None:
        """Count a failure; it is logged when it is another than the last time."""
        self.failures += 1
        if self._said.get(what) != why:
            self._said[what] = why
            log.warning("%s: %s", what, why)
