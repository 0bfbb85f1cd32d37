"""Stock Flower on this machine: a SuperLink and SuperNodes, as its documentation starts them.

    with StockFlower(nodes=4) as flower:
        durations = flower.run(app_folder, {"rounds": 3})

Deployment runtime, default isolation (each SuperNode starts a SuperExec, which starts a process per
message), no TLS, loopback. Telemetry, the check for updates and the installation of an app's
dependencies are off: they would measure the internet.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from benchmarks import memory
from benchmarks.clock import durations, read_clock

START_LIMIT_S = 60.0
SILENT_S = 45.0
"""Without a round's end for so long, ask the SuperLink whether the run has failed."""
STALLED_S = 240.0
END_LIMIT_S = 60.0
LINK = "here"
SETTINGS = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "PYTHONUNBUFFERED": "1",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}


class PeerAway(Exception):
    """A peer can't be measured here; the message says why, in one line."""


class StockFlower:
    """A SuperLink and `nodes` SuperNodes; use it in a `with` statement.

    Everything lives in a temporary folder, on ports that were free. Entering raises PeerAway if
    flwr isn't installed or doesn't come up. Leaving ends all processes, however it is left.
    """

    def __init__(self, nodes: int = 4) -> None:
        self._nodes = nodes
        self._folder: Path | None = None
        self._environment: dict[str, str] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> StockFlower:
        self._folder = Path(tempfile.mkdtemp(prefix="stock-flower-"))
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def run(self, app: Path, run_config: Mapping[str, str | int]) -> list[float]:
        """Run an app that keeps a clock (see `benchmarks.clock`); returns seconds of each round.

        Raises PeerAway if the run fails or stands still.
        """
        clock = self._home / f"rounds-{time.monotonic_ns()}.json"
        config = {**run_config, "clock": str(clock)}
        text = " ".join(f"{key}={json.dumps(value)}" for key, value in config.items())
        started = self._flwr("run", str(app), LINK, "--run-config", text)
        run_id = str(started["run-id"])
        self._await_rounds(run_id, clock, int(run_config["rounds"]))
        self._await_end(run_id)
        return durations(read_clock(clock))

    def idle_memory(self) -> memory.Memory:
        """What one SuperNode with its SuperExec holds: the least of all SuperNodes."""
        return min((memory.of(tree) for tree in self.supernodes()), key=lambda m: m.resident)

    def supernodes(self) -> list[list[psutil.Process]]:
        """Return each SuperNode with all that it started."""
        tops = [psutil.Process(p.pid) for name, p in self._processes.items() if name != "superlink"]
        return [[top, *top.children(recursive=True)] for top in tops]

    @property
    def _home(self) -> Path:
        if self._folder is None:
            raise RuntimeError("stock Flower hasn't been started")
        return self._folder

    def close(self) -> None:
        """Kill all processes of this instance, and remove its folder. Idempotent."""
        if self._folder is None:
            return
        try:
            for popen in self._processes.values():
                popen.kill()
            # Those that outlive their parents are found by the folder that only they were given.
            while mine := self._members():
                for process in mine:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
                psutil.wait_procs(mine, timeout=1.0)
        finally:
            for popen in self._processes.values():
                popen.wait()
            self._processes = {}
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _start(self) -> None:
        link, *ports = _free_ports(1 + self._nodes)
        bin_folder = Path(sys.executable).parent
        self._environment = {
            **os.environ,
            **SETTINGS,
            "FLWR_HOME": str(self._home),
            "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}",
        }
        address = f"127.0.0.1:{link}"
        (self._home / "config.toml").write_text(
            f'[superlink]\ndefault = "{LINK}"\n'
            f'[superlink.{LINK}]\naddress = "{address}"\ninsecure = true\n'
        )
        self._spawn("superlink", "--host", "127.0.0.1", "--port", str(link))
        self._await_port(link)
        for place, port in enumerate(ports):
            config = f"partition-id={place} num-partitions={self._nodes}"
            flags = ["--superlink", address, "--port", str(port), "--node-config", config]
            self._spawn(f"supernode-{place + 1}", *flags)
        self._await_nodes()

    def _spawn(self, name: str, *flags: str) -> None:
        command = self._command(f"flower-{name.split('-')[0]}")
        with (self._home / f"{name}.log").open("wb") as out:
            self._processes[name] = subprocess.Popen(  # nosec B603 # Flower's own commands
                [command, "--insecure", *flags],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self._home,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for us
            )

    def _command(self, name: str) -> str:
        found = shutil.which(name, path=self._environment["PATH"])
        if found is None:
            raise PeerAway(f"stock Flower isn't installed here: there is no `{name}`")
        return found

    def _await_port(self, port: int) -> None:
        limit = time.monotonic() + START_LIMIT_S
        while True:
            self._check("superlink", limit)
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                return
            time.sleep(0.1)

    def _await_nodes(self) -> None:
        limit = time.monotonic() + START_LIMIT_S
        while True:
            for name in self._processes:
                self._check(name, limit)
            nodes = self._flwr("supernode", "list", LINK)["nodes"]
            online = sum(node["status"] == "online" for node in nodes)
            if online == self._nodes and all(len(tree) > 1 for tree in self.supernodes()):
                return
            time.sleep(0.3)

    def _await_rounds(self, run_id: str, clock: Path, rounds: int) -> None:
        seen, last, asked = 0, time.monotonic(), time.monotonic()
        while seen < rounds + 1:
            time.sleep(0.1)
            now = time.monotonic()
            if len(read_clock(clock)) > seen:
                seen, last, asked = len(read_clock(clock)), now, now
            elif now - last > STALLED_S:
                raise PeerAway(f"stock Flower has stood still for {STALLED_S:.0f} s in a round")
            elif now - asked > SILENT_S:  # seldom: the question itself costs a second of CPU
                asked = now
                self._ended(run_id)

    def _await_end(self, run_id: str) -> None:
        limit = time.monotonic() + END_LIMIT_S
        while not self._ended(run_id):
            if time.monotonic() > limit:
                raise PeerAway(f"stock Flower's run didn't end within {END_LIMIT_S:.0f} s")
            time.sleep(0.3)

    def _ended(self, run_id: str) -> bool:
        (run,) = self._flwr("list", LINK, "--run-id", run_id)["runs"]
        if run["status"] == "finished:completed":
            return True
        if str(run["status"]).startswith("finished"):
            raise PeerAway(f"stock Flower's run: {run['status']}{self._quoted('superlink')}")
        return False

    def _flwr(self, *words: str) -> dict[str, Any]:
        done = subprocess.run(  # nosec B603 # Flower's own command
            [self._command("flwr"), *words, "--format", "json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self._home,
            env=self._environment,
            timeout=START_LIMIT_S,
            check=False,
        )
        try:
            answer: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            answer = {}
        if done.returncode != 0 or not answer.get("success"):
            said = " ".join((done.stdout + done.stderr).split())[-200:]
            raise PeerAway(f"`flwr {words[0]}` failed: {said}")
        return answer

    def _check(self, name: str, limit: float) -> None:
        code = self._processes[name].poll()
        if code is not None:
            raise PeerAway(f"stock Flower's {name} ended with code {code}{self._quoted(name)}")
        if time.monotonic() > limit:
            raise PeerAway(
                f"stock Flower didn't come up within {START_LIMIT_S:.0f} s{self._quoted(name)}"
            )

    def _quoted(self, name: str) -> str:
        with contextlib.suppress(OSError):
            log = (self._home / f"{name}.log").read_text(errors="replace")
            if lines := [line.strip() for line in log.splitlines() if line.strip()]:
                return f": {lines[-1][:200]}"
        return ""

    def _members(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if self._started(process)]

    def _started(self, process: psutil.Process) -> bool:
        try:
            mine = process.environ().get("FLWR_HOME") == str(self._home)
            return mine and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            return False  # another user's, or gone


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
