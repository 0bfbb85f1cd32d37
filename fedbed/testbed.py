"""A whole testbed on this machine: one coordinator and some nodes, each a process of its own.

    with LocalTestbed(nodes=4) as testbed:
        client = Client(testbed.url)

The processes end with this one, however it ends: they watch a pipe that only it holds open.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import urlsplit

import psutil

from fedbed.client import Client
from fedbed.disk import write_secret
from fedbed.errors import CoordinatorAway, FedbedError, NodesMissing, RequirementMissing, by_code

START_LIMIT_S = 60.0
STOP_GRACE_S = 5.0


@dataclass(frozen=True)
class Process:
    """One process of the testbed; `name` is `coordinator` or the node's name."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Process id."""
        return self.popen.pid

    def last_words(self) -> str:
        """Return the last line of its log."""
        try:
            tail = self.log.read_bytes()[-4000:].decode(errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in tail.splitlines() if line.strip()]
        return lines[-1][:300] if lines else ""


class LocalTestbed:
    """A coordinator with `nodes` agents named node-1, node-2, ...; use it in a `with` statement.

    state_dir: where databases, identities and logs lie; a temporary folder unless given. threads:
    CPU threads of each worker. twins: where trained twins are kept, which would else end with a
    temporary folder. env: variables on top of this process's own. enrolled: whether nodes and
    people need tokens. tls: whether all speak TLS, with a CA made for it. `client` knows about
    both. Entering raises FedbedError with the last line of the log if a process doesn't come up.
    """

    def __init__(
        self,
        nodes: int,
        state_dir: Path | None = None,
        threads: int = 1,
        twins: Path | None = None,
        env: Mapping[str, str] | None = None,
        enrolled: bool = False,
        tls: bool = False,
    ) -> None:
        self.url = ""
        self.processes: list[Process] = []
        """The coordinator first; empty before the start and after the end."""
        self._nodes = nodes
        self._given_state = state_dir
        self._state: Path | None = None
        self._kept = False
        self._threads = threads
        self._twins = None if twins is None else twins.absolute()
        self._env = dict(env or {})
        self._enrolled = enrolled
        self._tls = tls

    def __enter__(self) -> LocalTestbed:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def state_dir(self) -> Path:
        """The folder with everything that the processes keep."""
        if self._state is None:
            raise RuntimeError("the testbed hasn't been started")
        return self._state

    def client(self) -> Client:
        """Return a client that may do everything here; use it in a `with` statement."""
        token = ""  # nosec B105 # none is asked for
        if self._enrolled:
            token = (self._coordinator_state / "admin.token").read_text().strip()
        return Client(self.url, token=token, ca=self.ca)

    @property
    def ca(self) -> Path | None:
        """The file of the CA that nodes and clients trust; None without TLS."""
        return self._ca_folder / "ca.pem" if self._tls else None

    @property
    def _ca_folder(self) -> Path:
        return self.state_dir / "ca"

    def start(self) -> None:
        """Start everything and wait until all nodes are ready; on failure nothing stays."""
        if self._state is not None:
            raise RuntimeError("the testbed runs already")
        try:
            self._prepare()
            limit = time.monotonic() + START_LIMIT_S
            self.url = self._start_coordinator(limit)
            if self._enrolled and self._nodes:
                self._enrol_nodes()
            for number in range(1, self._nodes + 1):
                self.start_node(f"node-{number}")
            self._await_nodes(limit)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop the nodes, then the coordinator; at once if interrupted. Idempotent."""
        try:
            _stop(self.processes[1:], STOP_GRACE_S)
            _stop(self.processes[:1], STOP_GRACE_S)
        finally:
            _stop(self.processes, 0.0)
            self.processes = []
            if self._given_state is None and self._state is not None and not self._kept:
                shutil.rmtree(self._state, ignore_errors=True)
            self._state = None

    def keep(self) -> None:
        """Leave a temporary state folder where it is, for results that have no other place."""
        self._kept = True

    def check(self, processes: Sequence[Process] | None = None) -> None:
        """Raise the error of a process that has ended, with the last line of its log.

        All processes unless given: nodes may come and go while a run can do without them.
        """
        for process in self.processes if processes is None else processes:
            code = process.popen.poll()
            if code is not None:
                raise _died(process, code)

    def _prepare(self) -> None:
        if sys.version_info < (3, 11):
            raise RequirementMissing("a local testbed needs Python 3.11 or newer")
        if self._given_state is None:
            self._state = Path(tempfile.mkdtemp(prefix="fedbed-"))
            return
        try:
            self._given_state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FedbedError(
                f"the state folder '{self._given_state}' can't be made ({error.strerror})"
            ) from error
        self._state = self._given_state.resolve()

    def _start_coordinator(self, limit: float, port: int = 0) -> str:
        ready = self.state_dir / "coordinator.url"
        ready.unlink(missing_ok=True)
        arguments = ["--port", str(port), "--ready-file", str(ready)]
        arguments += ["--state-dir", str(self._coordinator_state)]
        if self._twins is not None:
            arguments += ["--twins", str(self._twins)]
        if self._enrolled:
            arguments += ["--access", "enrolled"]
        if self._tls:
            arguments += ["--tls", str(self._make_ca())]
        process = self._spawn("coordinator", "coordinator", arguments)
        while not ready.is_file():
            self.check([process])
            if time.monotonic() > limit:
                raise CoordinatorAway(
                    f"the coordinator didn't come up within {START_LIMIT_S:.0f} s{_quoted(process)}"
                )
            time.sleep(0.02)
        return ready.read_text()

    @property
    def _coordinator_state(self) -> Path:
        return self.state_dir / "coordinator"

    @property
    def _enrol_file(self) -> Path:
        return self.state_dir / "enrol.token"

    def _enrol_nodes(self) -> None:
        with self.client() as client:
            write_secret(self._enrol_file, str(client.enrol(uses=self._nodes)["token"]))

    def _make_ca(self) -> Path:
        # Its library takes time and memory that most testbeds need not spend.
        from fedbed import authority

        if self.ca is not None and not self.ca.is_file():
            authority.make_ca(self._ca_folder)
        return self._ca_folder

    def start_node(self, name: str, *flags: str, env: Mapping[str, str] | None = None) -> Process:
        """Start another agent, or one that has ended again: same name, same identity.

        env: variables on top of the testbed's.
        """
        # What this machine's own agent is told is not for the testbed's.
        arguments = ["--config", os.devnull, "--name", name, "--coordinator", self.url]
        arguments += ["--state-dir", str(self.state_dir / name), "--threads", str(self._threads)]
        if self._enrolled:
            arguments += ["--enrol-file", str(self._enrol_file)]
        if self.ca is not None:
            arguments += ["--ca", str(self.ca)]
        return self._spawn(name, "edge_agent", [*arguments, *flags], env)

    def restart_coordinator(self) -> Process:
        """Start the coordinator again, on the same port, after it has ended."""
        port = urlsplit(self.url).port
        old = self.processes.pop(0)
        _stop([old], 0.0)
        self._start_coordinator(time.monotonic() + START_LIMIT_S, port or 0)
        self.processes.insert(0, self.processes.pop())
        return self.processes[0]

    def process(self, name: str) -> Process:
        """Return the newest process of that name; KeyError if there is none."""
        for process in reversed(self.processes):
            if process.name == name:
                return process
        raise KeyError(name)

    def _await_nodes(self, limit: float) -> None:
        names = {process.name for process in self.processes[1:]}
        version = 0
        with self.client() as client:
            while True:
                self.check()
                picture = client.live(version, 0.5)
                version = int(picture["version"])
                here = {
                    n["name"] for n in picture["nodes"] if n["state"] not in ("offline", "join")
                }
                if names <= here:
                    return
                if time.monotonic() > limit:
                    late = [p for p in self.processes[1:] if p.name not in here]
                    raise NodesMissing(
                        f"{len(late)} of {len(names)} nodes didn't join within "
                        f"{START_LIMIT_S:.0f} s; {late[0].name}{_quoted(late[0])}"
                    )

    def _spawn(
        self,
        name: str,
        module: str,
        arguments: list[str],
        env: Mapping[str, str] | None = None,
    ) -> Process:
        log = self.state_dir / f"{name}.log"
        with log.open("ab") as out:
            popen = subprocess.Popen(  # nosec B603 # our own modules
                [sys.executable, "-m", module, *arguments, "--stop-with-parent"],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                # Not the caller's folder: a folder `coordinator` there would be imported.
                cwd=self.state_dir,
                env={**self._environment(), **(env or {})},
                start_new_session=True,  # Ctrl-C is for us: we stop them in order
            )
        process = Process(name, popen, log)
        self.processes.append(process)
        return process

    def _environment(self) -> dict[str, str]:
        environment = {**os.environ, **self._env}
        source = str(Path(__file__).resolve().parents[1])
        inherited = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = source + (os.pathsep + inherited if inherited else "")
        # They run in another folder, where relative paths mean something else.
        for variable in ("FEDBED_DATA", "XDG_CACHE_HOME"):
            if environment.get(variable):
                path = Path(environment[variable]).expanduser()
                environment[variable] = str(path.absolute())
        return environment


def _stop(processes: list[Process], grace_s: float) -> None:
    """End processes and what they started: SIGTERM, then SIGKILL after `grace_s` seconds."""
    families = [_family(process) for process in processes]
    if grace_s > 0:
        for process in processes:
            if process.popen.poll() is None:
                process.popen.terminate()
        limit = time.monotonic() + grace_s
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.popen.wait(max(0.0, limit - time.monotonic()))
        psutil.wait_procs([p for f in families for p in f], max(0.0, limit - time.monotonic()))
    for process, family in zip(processes, families, strict=True):
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()  # psutil compares start times: never another's recycled id
        if process.popen.poll() is None:
            process.popen.kill()
        process.popen.wait()
        _close(process.popen.stdin)


def _family(process: Process) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(OSError):
            pipe.close()


def _died(process: Process, code: int) -> FedbedError:
    kinds = {kind.exit_code: kind for kind in by_code().values()}
    how = f"ended with code {code}"
    if code < 0:
        how = f"was ended by signal {-code} ({signal.strsignal(-code)})"
    return kinds.get(code, FedbedError)(f"{process.name} {how}{_quoted(process)}")


def _quoted(process: Process) -> str:
    words = process.last_words()
    return f": {words}" if words else " and left no word in its log"
