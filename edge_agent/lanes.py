"""Reads probes in threads that can be left alone, so that one that hangs holds up no other.

Nothing in Python ends a thread that waits for a kernel (a disk that is gone, a stuck I2C bus). So a
lane reads its probes in a thread that is expendable: when a probe takes too long, its thread is
left to it, and another takes over the rest. The probe is asked again once its thread has come back.
A lane with several probes costs two switches between threads for each sample.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Deque, Dict, List, Optional, Sequence, Tuple

from edge_agent.probes.base import Probe
from fedbed.telemetry.point import Sample

LIMIT_S = 2.0
"""For a probe that reads a few small files: they take no second however busy the node is."""
SLOW_LIMIT_S = 15.0


@dataclass
class Reading:
    """What a lane has read, noted at the moment at which it began, and who failed and how."""

    at: float
    samples: List[Sample] = field(default_factory=list)
    failures: List[Tuple[Probe, str]] = field(default_factory=list)


class _Pass:
    """One reading of a lane's probes, by a thread that its lane may leave alone."""

    def __init__(self, probes: Sequence[Probe], at: float) -> None:
        self.reading = Reading(at)
        self.over = threading.Event()
        """All have been read, or the one that hung has come back."""
        self._rest: Deque[Probe] = deque(probes)
        self._guard = threading.Lock()
        self._current: Optional[Probe] = None
        self._since = 0.0
        self._is_left_alone = False

    def run(self) -> bool:
        """Read one probe after the other; returns whether the lane still wants this thread."""
        while True:
            with self._guard:
                if not self._rest:
                    self._current = None
                    self.over.set()
                    return True
                probe = self._current = self._rest.popleft()
                self._since = time.monotonic()
            samples, failure = _read(probe)
            with self._guard:
                if self._is_left_alone:
                    self.over.set()
                    return False
                self.reading.samples.extend(samples)
                if failure:
                    self.reading.failures.append((probe, failure))

    def left_s(self, limit_s: float) -> float:
        """Return how much time its current probe has left."""
        with self._guard:
            return self._since + limit_s - time.monotonic() if self._since else limit_s

    def leave_alone(self, limit_s: float) -> Optional[Tuple[Probe, List[Probe]]]:
        """Give up on a probe that takes too long; returns it and the rest, None if it doesn't."""
        with self._guard:
            if self._current is None or time.monotonic() - self._since < limit_s:
                return None
            self._is_left_alone = True
            self.reading.failures.append((self._current, f"took longer than {limit_s:g} s"))
            return self._current, list(self._rest)


class Lane:
    """Some probes that are read one after the other. Not thread-safe."""

    def __init__(self, probes: Sequence[Probe], limit_s: float) -> None:
        self._probes = list(probes)
        self._limit_s = limit_s
        self._passes: SimpleQueue[Optional[_Pass]] = SimpleQueue()
        self._pass: Optional[_Pass] = None
        self._hung: Dict[Probe, _Pass] = {}
        self._has_thread = False

    def begin(self, at: float) -> None:
        """Start a reading, unless the one before is still under way."""
        if self._pass is None:
            self._hung = {p: stuck for p, stuck in self._hung.items() if not stuck.over.is_set()}
            probes = [p for p in self._probes if not p.absent and p not in self._hung]
            self._start(probes, at)

    def collect(self, patient: bool) -> List[Reading]:
        """Return what has been read; patient: wait for the reading under way, or its limits."""
        found = []
        while self._pass is not None:
            current = self._pass
            wait_s = max(0.0, current.left_s(self._limit_s)) if patient else 0.0
            if current.over.wait(wait_s):
                self._pass = None
                found.append(current.reading)
                continue
            overdue = current.leave_alone(self._limit_s)
            if overdue is not None:
                hung, rest = overdue
                self._hung[hung] = current
                found.append(current.reading)
                self._has_thread = False
                self._passes = SimpleQueue()
                self._start(rest, current.reading.at)
            elif not patient:
                break
        return found

    def stop(self) -> None:
        """Let the thread end; one that hangs ends by itself when it comes back."""
        self._passes.put(None)
        self._has_thread = False

    def _start(self, probes: Sequence[Probe], at: float) -> None:
        self._pass = None
        if not probes:
            return
        self._pass = _Pass(probes, at)
        self._passes.put(self._pass)
        if not self._has_thread:
            reader = threading.Thread(
                target=_read_on, args=(self._passes,), name="probes", daemon=True
            )
            reader.start()
            self._has_thread = True


def lanes(probes: Sequence[Probe]) -> List[Lane]:
    """Put the quick probes into one lane, and each slow one into a lane of its own."""
    quick = [probe for probe in probes if not probe.is_slow]
    slow = [probe for probe in probes if probe.is_slow]
    return [Lane(quick, LIMIT_S), *(Lane([probe], SLOW_LIMIT_S) for probe in slow)]


def _read_on(passes: SimpleQueue[Optional[_Pass]]) -> None:
    while True:
        work = passes.get()
        if work is None or not work.run():
            return


def _read(probe: Probe) -> Tuple[List[Sample], str]:
    try:
        return probe.read(), ""
    except Exception as error:  # noqa: BLE001 - one probe's failure mustn't cost the others
        return [], str(error) or type(error).__name__
