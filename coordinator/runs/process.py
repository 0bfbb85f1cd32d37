"""The subprocess that drives a run, and the pipe to it: JSON lines both ways.

When the coordinator dies, the pipe closes and the process ends; the next coordinator starts another
one, which goes on from the last checkpoint.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from coordinator.settings import INFLUX_TOKEN
from fedbed import memory

log = logging.getLogger("fedbed.runs")
LINE_LIMIT = 256 * 1024 * 1024
STOP_GRACE_S = 5.0
LOG_NAME = "server.log"


class RunProcess:
    """`python -m coordinator.runner` in the run's folder."""

    def __init__(
        self, folder: Path, on_message: Callable[[dict[str, Any]], Awaitable[None]]
    ) -> None:
        self._folder = folder
        self._on_message = on_message
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Process id, 0 before `start`."""
        return self._process.pid if self._process else 0

    async def start(self, first: dict[str, Any]) -> None:
        """Start the process and tell it what to do."""
        environment = dict(os.environ)
        source = str(Path(__file__).resolve().parents[2])
        inherited = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = source + (os.pathsep + inherited if inherited else "")
        environment.setdefault("OMP_NUM_THREADS", "1")
        environment.pop(INFLUX_TOKEN, None)  # a run may be foreign code
        memory.keep_freed(environment)
        with (self._folder / LOG_NAME).open("ab") as log_file:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "coordinator.runner",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log_file,
                cwd=self._folder,
                env=environment,
                limit=LINE_LIMIT,
                start_new_session=True,
            )
        self.tell(first)

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message; a process that is gone doesn't mind."""
        process = self._process
        if process is None or process.stdin is None or process.stdin.is_closing():
            return
        process.stdin.write(json.dumps(message).encode() + b"\n")

    async def serve(self) -> int:
        """Pass on what the process says until it ends; returns its exit code."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        while line := await process.stdout.readline():
            try:
                message = json.loads(line)
            except ValueError:
                log.warning("the run's process wrote a line that is no JSON")
                continue
            await self._on_message(message)
        return await process.wait()

    async def stop(self) -> None:
        """Close the pipe, which ends the process; insist where it doesn't."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(STOP_GRACE_S):
                await process.wait()
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
            await process.wait()

    def last_words(self) -> str:
        """Return the last line of the process's log, for the message about its end."""
        try:
            tail = (self._folder / LOG_NAME).read_bytes()[-4000:].decode(errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in tail.splitlines()]
        return next((line for line in reversed(lines) if line), "")[:300]
