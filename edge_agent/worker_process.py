"""The worker child: started once per run, kept warm, replaced when it dies.

Requests and answers are JSON lines on its standard input and output; bulk data lies in files.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, Optional

import edge_agent
import fedbed
from edge_agent import enrolment
from edge_agent.broker.settings import PASSWORD
from edge_agent.config import AgentConfig
from fedbed import memory

ABORT_GRACE_S = 5.0
STOP_GRACE_S = 3.0
LOG_TAIL_BYTES = 4000


class WorkerDied(Exception):
    """The child is gone; `str` says how, for a person."""


class WorkerProcess:
    """One worker child of one run."""

    def __init__(self, config: AgentConfig, run: str) -> None:
        self.run = run
        self._config = config
        self._log_path = config.state_dir / "worker.log"
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._answers: queue.Queue[Optional[Dict[str, Any]]] = queue.Queue()
        self._reader: Optional[threading.Thread] = None
        self._killed_for = ""

    @property
    def pid(self) -> int:
        """Process id, 0 where there is no process."""
        return self._process.pid if self._process else 0

    def exited(self) -> bool:
        """Whether the child has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Start the interpreter; imports go on in the child while the model is fetched."""
        config = self._config
        environment = dict(os.environ)
        # What a worker runs may come from others.
        for secret in (enrolment.VARIABLE, PASSWORD):
            environment.pop(secret, None)
        # The worker's interpreter need not have fedbed installed: it finds ours.
        source = str(_source(config.state_dir))
        inherited = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = source + (os.pathsep + inherited if inherited else "")
        for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            environment[variable] = str(config.threads)
        memory.keep_freed(environment)
        command = [config.worker_python, "-m", "edge_agent.worker", str(config.state_dir)]
        if config.data_path is not None:
            command.append(str(config.data_path.resolve()))
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(  # nosec B603 # our own worker
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, name="worker-reader", daemon=True)
        self._reader.start()

    def work(
        self,
        request: Dict[str, Any],
        on_progress: Callable[[float], None],
        on_full: Callable[[], None],
        aborted: threading.Event,
    ) -> Dict[str, Any]:
        """Hand over one work item and wait for its end; `on_full`: its disk is, and it waits.

        Returns the worker's answer: {"op": "done", "size": .., "sha256": ..} or {"op": "failed",
        "reason": ..}. Raises WorkerDied if the child ends before it answers, or had to be killed
        because it went on after `aborted` was set.
        """
        self._tell(dict(request, op="work"))
        kill_at: Optional[float] = None
        while True:
            if aborted.is_set() and kill_at is None:
                self._tell({"op": "abort"})
                kill_at = time.monotonic() + ABORT_GRACE_S
            if kill_at is not None and time.monotonic() > kill_at:
                self.kill()
                raise WorkerDied("stopped: its round had closed")
            gone = self.exited()
            try:
                answer = self._answers.get(timeout=2.0 if gone else 0.25)
            except queue.Empty:
                if gone:
                    # A process that the app left behind keeps the pipe open.
                    raise WorkerDied(self._obituary()) from None
                continue
            if answer is None:
                raise WorkerDied(self._obituary())
            if answer["op"] == "progress":
                on_progress(float(answer["share"]))
            elif answer["op"] == "full":
                on_full()
            else:
                return answer

    def stop(self) -> None:
        """Ask the child to end by closing its input, then insist."""
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        try:
            process.wait(timeout=STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._finish()

    def kill(self, reason: str = "") -> None:
        """End the child at once; a reason stands in the news of its death."""
        self._killed_for = self._killed_for or reason
        if self._process is not None and self._process.poll() is None:
            # It leads a process group of its own: what the app has started goes with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _finish(self) -> None:
        if self._reader is not None:
            self._reader.join(timeout=2)
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()

    def _tell(self, message: Dict[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise WorkerDied("was never started")
        try:
            process.stdin.write(json.dumps(message).encode() + b"\n")
            process.stdin.flush()
        except (BrokenPipeError, ValueError):
            raise WorkerDied(self._obituary()) from None

    def _read(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        for line in process.stdout:
            try:
                answer = json.loads(line)
            except ValueError:
                answer = None
            # A stray line (an interpreter's own start-up message) must not end the reading.
            if isinstance(answer, dict) and "op" in answer:
                self._answers.put(answer)
        self._answers.put(None)

    def _obituary(self) -> str:
        process = self._process
        assert process is not None
        try:
            code = process.wait(STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return "the worker closed its output and went on"
        if self._killed_for:
            return f"the worker was {self._killed_for}"
        if code == -signal.SIGKILL:
            return "the worker was killed (signal 9), perhaps because memory ran out"
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        last = self._last_words()
        return f"the worker ended with {how}" + (f": {last}" if last else "")

    def _last_words(self) -> str:
        try:
            tail = self._log_path.read_bytes()[-LOG_TAIL_BYTES:]
        except OSError:
            return ""
        lines = [line.strip() for line in tail.decode(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "")[:300]


def _source(state_dir: Path) -> Path:
    """Return a folder that offers our two packages and no other.

    The one that they are installed in may hold packages for another version of Python.
    """
    folder = state_dir.resolve() / "source"
    folder.mkdir(exist_ok=True)
    for package in (edge_agent, fedbed):
        target = Path(str(package.__file__)).resolve().parent
        link = folder / target.name
        if not link.is_symlink() or os.readlink(str(link)) != str(target):
            with contextlib.suppress(FileNotFoundError):
                link.unlink()
            link.symlink_to(target)
    return folder
