"""Children of the worker's interpreter: what they say line by line, and how they end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import Any, Dict, List, Sequence

from edge_agent import enrolment
from edge_agent.broker.settings import PASSWORD

_MOST_BYTES = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """lines: its JSON objects. death: 'signal 4 (SIGILL)', 'exit code 1: its last words'; empty
    if it ended well."""

    lines: Sequence[Dict[str, Any]]
    death: str = ""


def run(command: Sequence[str], limit_s: float, threads: int = 1) -> Answer:
    """Run a child to its end, with all that it has started.

    Raises OSError if it can't be started, subprocess.TimeoutExpired if it takes too long.
    """
    environment = dict(os.environ)
    for secret in (enrolment.VARIABLE, PASSWORD):
        environment.pop(secret, None)
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment[variable] = str(threads)
    child = subprocess.Popen(  # nosec B603 # the operator's interpreter, our text
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    try:
        out, err = child.communicate(timeout=limit_s)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    return Answer(_objects(out[:_MOST_BYTES]), death(child.returncode, err))


def death(code: int, err: bytes) -> str:
    """Say how a process ended; empty for exit code 0.

    Shells and containers tell of a signal by 128 and its number.
    """
    if code == 0:
        return ""
    if code > 128:
        code = 128 - code
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "unknown"
        return f"signal {-code} ({name})"
    lines = [line.strip() for line in err.decode(errors="replace").splitlines() if line.strip()]
    return f"exit code {code}" + (f": {lines[-1][:200]}" if lines else "")


def _objects(out: bytes) -> List[Dict[str, Any]]:
    found = []
    for line in out.splitlines():
        # An interpreter's own start-up message is no answer.
        with contextlib.suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict):
                found.append(told)
    return found
