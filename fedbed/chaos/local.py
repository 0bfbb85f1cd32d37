"""A ground of local processes: signals, a proxy for each link, small mounted file systems."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from fedbed.chaos import disks, leftovers, tracing
from fedbed.chaos.invariants import Holdings
from fedbed.chaos.moments import AtCall
from fedbed.chaos.plan import Strike, Victim
from fedbed.chaos.scenario import Scenario
from fedbed.chaos.throttle import Throttle, send
from fedbed.chaos.tracing import Tracer
from fedbed.chaos.watch import await_nodes
from fedbed.chaos.wire import Wire
from fedbed.client import Client
from fedbed.errors import FedbedError
from fedbed.testbed import START_LIMIT_S, LocalTestbed

LINK_KINDS = ("cut_link", "slow_link", "corrupt_upload")
APPEAR_LIMIT_S = 20.0
"""How long a worker or a run's process may take to be there."""
STOP_LIMIT_S = 20.0
END_LIMIT_S = 5.0
_MODULES = {"run": "coordinator.runner", "worker": "edge_agent.worker"}


class LocalGround:
    """Processes of this machine, for one scenario. Links have a proxy only if a fault needs one."""

    def __init__(self, scenario: Scenario) -> None:
        self._nodes = scenario.experiment.federation.real_nodes
        kinds = {fault.do for fault in scenario.faults}
        self._wired = any(kind in kinds for kind in LINK_KINDS)
        self._disk_mb = scenario.disk_mb
        self._filled = {fault.victim for fault in scenario.faults if fault.do == "fill_disk"}
        self._state: Path | None = None
        self._testbed = LocalTestbed(0)
        self._wires: dict[int, Wire] = {}
        self._disks: dict[str, disks.SmallDisk] = {}
        self._frozen: dict[Victim, psutil.Process] = {}
        self._throttles: dict[Victim, Throttle] = {}
        self._tracers: list[Tracer] = []
        self._logs = leftovers.Logs()
        self._stray: set[str] = set()
        """Half-written and damaged files at the last look."""
        self._known: set[str] = set()
        """Those that an earlier run has been blamed for."""

    @property
    def url(self) -> str:
        """Where the coordinator answers, past all wires."""
        return self._testbed.url

    @property
    def _root(self) -> Path:
        if self._state is None:
            raise RuntimeError("the ground isn't open")
        return self._state

    def refusal(self, strike: Strike) -> str:
        """Say why a fault can't be done here; empty if it can."""
        if isinstance(strike.moment, AtCall):
            return tracing.missing()
        if strike.kind == "fill_disk":
            return disks.refusal()
        return ""

    def open(self) -> None:
        """Start everything and wait until all nodes are ready; on failure nothing stays."""
        self._state = Path(tempfile.mkdtemp(prefix="fedbed-chaos-")).resolve()
        try:
            self._mount()
            self._testbed = LocalTestbed(0, self._state)
            self._testbed.start()
            address = urlsplit(self._testbed.url)
            for node in range(1, self._nodes + 1):
                if self._wired:
                    self._wires[node] = Wire(address.hostname or "", address.port or 0)
                    self._wires[node].start()
                self._start_node(node)
            self.await_ready()
        except BaseException:
            self.close()
            raise

    def close(self) -> Sequence[str]:
        """End everything, whatever its state; return what is left behind, in words. Idempotent."""
        if self._state is None:
            return []
        for throttle in self._throttles.values():
            throttle.close()
        for tracer in self._tracers:
            tracer.close()
        send(self._frozen.values(), signal.SIGCONT)
        for disk in self._disks.values():
            disk.free()
        self._testbed.close()
        for wire in self._wires.values():
            wire.close()
        left = self._processes_left()
        for disk in self._disks.values():
            disk.close()
        shutil.rmtree(self._state, ignore_errors=True)
        if self._state.exists():
            left.append(f"folder {self._state}")
        self._state = None
        return left

    def await_ready(self) -> None:
        """Wait until all nodes are ready; start again whoever has ended."""
        self._known = self._stray
        for part in self.fallen():
            self.start(part)
        names = [f"node-{node}" for node in range(1, self._nodes + 1)]
        with Client(self.url) as client:
            await_nodes(client, names, START_LIMIT_S)

    def fallen(self) -> list[Victim]:
        """Return the agents, and the coordinator, whose process has ended."""
        everybody = [Victim("coordinator")]
        everybody += [Victim("agent", node) for node in range(1, self._nodes + 1)]
        return [victim for victim in everybody if not self.is_up(victim)]

    def is_up(self, victim: Victim) -> bool:
        """Whether the victim's process is there."""
        return self._find(victim) is not None

    def kill(self, victim: Victim) -> None:
        """SIGKILL."""
        process = self._await(victim)
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
        if victim.part in ("agent", "coordinator"):
            self._testbed.process(_name(victim)).popen.wait(STOP_LIMIT_S)

    def stop(self, victim: Victim) -> None:
        """SIGTERM, and wait; FedbedError if it takes too long."""
        popen = self._testbed.process(_name(victim)).popen
        popen.terminate()
        try:
            popen.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise FedbedError(f"the {victim} doesn't stop within {STOP_LIMIT_S:.0f} s") from error

    def start(self, victim: Victim) -> None:
        """Start an agent or the coordinator that has ended."""
        if victim.part == "agent":
            self._start_node(victim.node)
        else:
            self._testbed.restart_coordinator()

    def freeze(self, victim: Victim) -> None:
        """SIGSTOP."""
        process = self._frozen[victim] = self._await(victim)
        send([process], signal.SIGSTOP)

    def thaw(self, victim: Victim) -> None:
        """SIGCONT."""
        if victim in self._frozen:
            send([self._frozen.pop(victim)], signal.SIGCONT)

    def slow_cpu(self, victim: Victim, share: float) -> None:
        """Let the victim and its children stand still for the rest of every tenth second."""
        self._throttles[victim] = Throttle(lambda: self._family(victim), share)

    def full_speed(self, victim: Victim) -> None:
        """Let them run freely again."""
        if victim in self._throttles:
            self._throttles.pop(victim).close()

    def link(self, node: int) -> Wire:
        """Return a node's link."""
        return self._wires[node]

    def fill_disk(self, victim: Victim) -> None:
        """Put ballast into the victim's own file system until nothing more fits."""
        self._disks[_name(victim)].fill()

    def free_disk(self, victim: Victim) -> None:
        """Remove the ballast."""
        self._disks[_name(victim)].free()

    def trap(self, victim: Victim, call: str, number: int) -> Tracer:
        """Attach strace, which kills the victim at that call."""
        return self._trace(victim, [call], number)

    def count_calls(self, victim: Victim, calls: Sequence[str]) -> Tracer:
        """Attach strace, which counts these calls."""
        return self._trace(victim, calls, 0)

    def spooled(self) -> Mapping[str, str]:
        """Return the trained updates that wait on the nodes: work item -> sha256."""
        return leftovers.spooled(self._node_folders())

    def holdings(self, run: str) -> Holdings:
        """Look at what lies about after a run; logs only since the last look."""
        found = leftovers.look(self._root, self._node_folders(), run, self._logs)
        self._stray = {*found.half_written, *found.damaged}
        return replace(
            found,
            half_written=[name for name in found.half_written if name not in self._known],
            damaged=[name for name in found.damaged if name not in self._known],
        )

    def keep(self, run: str, folder: Path) -> None:
        """Copy logs and the run's files to `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        logs = [*self._root.glob("*.log"), *self._root.glob("node-*/worker.log")]
        for log in logs:
            shutil.copyfile(log, folder / "-".join(log.relative_to(self._root).parts))
        files = self._root / "coordinator" / "runs" / run
        if files.is_dir():
            shutil.copytree(files, folder / "run", dirs_exist_ok=True)

    def _mount(self) -> None:
        names = ["coordinator"] if "coordinator" in self._filled else []
        if "agent" in self._filled:
            names += [f"node-{node}" for node in range(1, self._nodes + 1)]
        for name in names:
            self._disks[name] = disks.SmallDisk(self._root / name, self._disk_mb)

    def _start_node(self, node: int) -> None:
        flags = ["--coordinator", self._wires[node].url] if node in self._wires else []
        self._testbed.start_node(f"node-{node}", *flags)

    def _node_folders(self) -> list[Path]:
        return [self._root / f"node-{node}" for node in range(1, self._nodes + 1)]

    def _trace(self, victim: Victim, calls: Sequence[str], kill_at: int) -> Tracer:
        # Whom they start is traced with them: it must be there before, to be left alone.
        if victim.part == "coordinator":
            self._await(Victim("run"))
        elif victim.part == "agent":
            self._await(Victim("worker", victim.node))
        tracer = Tracer(self._await(victim).pid, calls, kill_at)
        self._tracers.append(tracer)
        return tracer

    def _await(self, victim: Victim) -> psutil.Process:
        limit = time.monotonic() + APPEAR_LIMIT_S
        while (process := self._find(victim)) is None:
            if time.monotonic() > limit:
                raise FedbedError(f"there was no {victim} for {APPEAR_LIMIT_S:.0f} s")
            time.sleep(0.01)
        return process

    def _find(self, victim: Victim) -> psutil.Process | None:
        name = "coordinator" if victim.part in ("coordinator", "run") else f"node-{victim.node}"
        try:
            process = self._testbed.process(name)
            if process.popen.poll() is not None:
                return None
            there = psutil.Process(process.pid)
            module = _MODULES.get(victim.part)
            if module is None:
                return there
            children = (child for child in there.children() if module in child.cmdline())
            return next(children, None)
        except (KeyError, psutil.NoSuchProcess):
            return None

    def _family(self, victim: Victim) -> list[psutil.Process]:
        process = self._find(victim)
        if process is None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            return [process, *process.children(recursive=True)]
        return []

    def _processes_left(self) -> list[str]:
        """Name processes that live in our folder still; they get some seconds to end."""
        limit = time.monotonic() + END_LIMIT_S
        while (left := leftovers.processes(self._root)) and time.monotonic() < limit:
            time.sleep(0.05)
        return left


def _name(victim: Victim) -> str:
    return "coordinator" if victim.part == "coordinator" else f"node-{victim.node}"
