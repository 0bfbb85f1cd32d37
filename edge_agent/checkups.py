"""Has the node examined when its coordinator asks for it, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Callable, List, Optional

from edge_agent.config import AgentConfig
from edge_agent.link import Link
from fedbed.errors import FedbedError, PayloadError
from fedbed.link.health import FAIL, LIMIT_S, Checkup, Finding, HealthReport, bounded
from fedbed.link.messages import parse, unparse

log = logging.getLogger("fedbed.agent")
GRACE_S = 5.0
"""For a slow board to start the interpreter, on top of what a check-up may take."""


class Checkups:
    """One at a time, in a thread that lives as long as there is something to do.

    is_busy: whether the node trains, so that nothing may disturb it. A check-up that was asked for
    while another one runs follows it; of several the latest.
    """

    def __init__(self, config: AgentConfig, is_busy: Callable[[], bool]) -> None:
        self._config = config
        self._is_busy = is_busy
        self._guard = threading.Lock()
        self._next: Optional[Checkup] = None
        self._thread: Optional[threading.Thread] = None
        self._child: Optional[subprocess.Popen[bytes]] = None
        self._stopping = False
        self._node_id = ""
        self._token = ""  # nosec B105 # none yet

    def joined(self, node_id: str, token: str) -> None:
        """Note who the node is at the coordinator; called again when that has changed."""
        self._node_id, self._token = node_id, token

    def asked(self, checkup: Optional[Checkup]) -> None:
        """The coordinator asks for one, or, with None, for none."""
        if checkup is None:
            return
        with self._guard:
            self._next = checkup
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="checkups", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Break off what runs; nothing is reported any more."""
        with self._guard:
            self._stopping, self._next = True, None
            thread, child = self._thread, self._child
        if child is not None:
            _kill(child)
        if thread is not None:
            thread.join(GRACE_S)

    def _run(self) -> None:
        while True:
            with self._guard:
                checkup, self._next = self._next, None
                if checkup is None:
                    self._thread = None
                    return
            report = self._examine(checkup)
            if not self._stopping:
                self._send(report)

    def _examine(self, checkup: Checkup) -> HealthReport:
        # The daemon has no use for what describes a check-up until there is one.
        from edge_agent.doctor import setup

        began = time.monotonic()
        busy = self._is_busy()
        wanted = setup.pack(setup.of(self._config, checkup, light=busy))
        try:
            findings = self._ask_child(json.dumps(wanted).encode())
        except (OSError, subprocess.SubprocessError, PayloadError) as error:
            findings = [
                Finding(
                    "doctor",
                    FAIL,
                    f"the check-up didn't come to its end: {error}",
                    "nothing is known of the node",
                    "fedbed doctor   # on the node itself, as the agent's user",
                )
            ]
        took_s = round(time.monotonic() - began, 2)
        return HealthReport(checkup.id, bounded(findings), took_s, busy)

    def _ask_child(self, wanted: bytes) -> List[Finding]:
        child = subprocess.Popen(  # nosec B603 # our own module
            [sys.executable, "-m", "edge_agent.doctor.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        with self._guard:
            self._child = child
            if self._stopping:  # it was too early to be seen
                _kill(child)
        try:
            out, _ = child.communicate(wanted, timeout=LIMIT_S + GRACE_S)
        finally:
            _kill(child)
            with self._guard:
                self._child = None
        try:
            return [parse(Finding, found) for found in json.loads(out)]
        except (TypeError, ValueError) as error:
            raise PayloadError(f"its process ended with code {child.returncode}") from error

    def _send(self, report: HealthReport) -> None:
        link = Link(self._config.coordinator, self._config.ca)
        link.token = self._token
        try:
            link.call("POST", f"/api/v1/nodes/{self._node_id}/health", unparse(report))
        except FedbedError as error:
            log.warning("the findings of a check-up could not be sent: %s", error)
        finally:
            link.close()


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End a child with all that it has started, if it has not ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
