"""Watching a process's system calls with strace: to count them, or to kill inside of one.

strace's own counters are per thread, and so are ours. A process is killed as a call begins, before
the kernel carries it out: a file is written and not renamed, renamed and not synced.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from fedbed.errors import FedbedError, RequirementMissing

ATTACH_LIMIT_S = 10.0
DETACH_LIMIT_S = 5.0
_LINE = re.compile(r"^(\d+) +([a-z_0-9]+)\(", re.MULTILINE)


def missing() -> str:
    """Say why nothing can be traced here; empty if it can."""
    if shutil.which("strace") is None:
        return "a system call as a moment needs strace (the package of that name)"
    return ""


class Tracer:
    """strace, attached to one process and all of its threads; `close` lets go of them."""

    def __init__(self, pid: int, calls: Sequence[str], kill_at: int = 0) -> None:
        """Attach; with `kill_at`, kill at that call.

        RequirementMissing without strace, FedbedError if it can't attach (the process has gone, or
        may not be traced).
        """
        if missing():
            raise RequirementMissing(missing())
        named = ",".join(calls)
        handle, name = tempfile.mkstemp(prefix="fedbed-strace-")
        os.close(handle)
        self._log = Path(name)
        command = ["strace", "-f", "-e", f"trace={named}", "-o", name]
        if kill_at:
            command += ["-e", f"inject={named}:signal=KILL:when={kill_at}"]
        self._popen = subprocess.Popen(  # nosec B603 # strace, on a process of ours
            [*command, "-p", str(pid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            self._await_attached(pid)
        except BaseException:
            self.close()
            raise

    def sprung(self, wait_s: float) -> bool:
        """Whether the process was killed; waits `wait_s` at most for its end."""
        try:
            self._popen.wait(wait_s)
        except subprocess.TimeoutExpired:
            return False
        if "killed by SIGKILL" in self._log.read_text(errors="replace"):
            return True
        time.sleep(wait_s)  # it has ended otherwise, for good
        return False

    def close(self) -> Mapping[str, int]:
        """Detach; returns how often a thread made each call, at most. Idempotent."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
            try:
                self._popen.wait(DETACH_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
        if self._popen.stderr is not None:
            self._popen.stderr.close()
        if not self._log.is_file():
            return {}
        text = self._log.read_text(errors="replace")
        self._log.unlink()
        return count(text)

    def _await_attached(self, pid: int) -> None:
        limit = time.monotonic() + ATTACH_LIMIT_S
        said = b""
        stream = self._popen.stderr
        assert stream is not None
        while b" attached" not in said:
            ready, _, _ = select.select([stream], [], [], max(0.0, limit - time.monotonic()))
            more = os.read(stream.fileno(), 4096) if ready else b""
            if not more:
                why = " ".join(said.decode(errors="replace").split()) or "no answer"
                raise FedbedError(f"strace can't attach to process {pid}: {why[:200]}")
            said += more


def count(log: str) -> dict[str, int]:
    """Return how often a thread made each call, at most, out of strace's log."""
    by_thread = Counter((thread, call) for thread, call in _LINE.findall(log))
    most: dict[str, int] = {}
    for (_, call), times in by_thread.items():
        most[call] = max(most.get(call, 0), times)
    return most
