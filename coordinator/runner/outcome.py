"""The results of a run: one dictionary, and the files made from it."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import time
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil

from coordinator.report import metrics_csv, render
from coordinator.runner import disturbances, hardware
from coordinator.runner.adversaries import Adversaries
from coordinator.runner.channel import Channel, RunStopped
from coordinator.runner.driver import Driver
from coordinator.runner.examination import Examination
from coordinator.runner.grid import EdgeGrid
from coordinator.runner.order import Order
from coordinator.runner.samples import Samples
from coordinator.runner.selector import Selector
from coordinator.runner.stragglers import Stragglers
from coordinator.runner.target import Target
from coordinator.runner.twins import Twin
from coordinator.runs.roster import crowd
from fedbed import __version__, flower
from fedbed.experiment import Centralised, Experiment
from fedbed.tasks.moments import parted

SWAP_TOLERANCE_BYTES = 64 * 1024 * 1024
_PACKAGES = ("torch", "flwr", "numpy", "zstandard")


class Outcome:
    """Collects what a run produces while it goes on, so that an interrupted run has results too."""

    def __init__(self, order: Order, experiment: Experiment | None) -> None:
        self._order = order
        self._experiment = experiment
        self._began = time.monotonic()
        self._started_at = time.time()
        self._swap_before = psutil.swap_memory().used
        self._federated_s: float | None = None
        self._federated_until: float | None = None
        """Seconds since 1970."""
        self.samples: Samples | None = None
        self.adversaries: Adversaries | None = None
        self.stragglers: Stragglers | None = None
        self.selector: Selector | None = None
        self.grid: EdgeGrid | None = None
        self.driver: Driver | None = None
        self.twin: list[dict[str, Any]] = []
        self.twin_of: str | None = None
        """The run that trained the twin."""
        self.examination: Examination | None = None
        self.task_args: dict[str, Any] = {}
        """The task's arguments as all nodes got them, the number of classes filled in."""
        self.probed: dict[str, Any] | None = None
        """What nodes' probes have measured; None where no database is configured."""
        self._metric = order.spec.metric
        self.target = Target(experiment, self._metric)

    def federated_done(self) -> None:
        """The rounds are over; what follows is the twin."""
        if self.driver is not None:
            self._federated_s = self.driver.elapsed_s
            self._federated_until = time.time()

    def ask_for_samples(self, channel: Channel) -> None:
        """Find out what nodes' probes have measured during the rounds, if there is who knows."""
        if not self._order.has_samples:
            return
        begin = self.driver.started_at if self.driver else self._started_at
        end = self._federated_until or time.time()
        try:
            answer = channel.ask("samples", begin=begin, end=end)
        except RunStopped:
            answer = {}
        # One that was stopped may find the answer to an earlier question here.
        is_ours = answer.get("event") == "samples"
        self.probed = answer if is_ours else {"error": "the run was stopped"}

    def take_twin(self, twin: Twin) -> None:
        """Take over the trained twin."""
        self.twin, self.twin_of = twin.history, twin.run

    def result(self, state: str, error: str) -> dict[str, Any]:
        """Return the contents of result.json; figures are those the run measured."""
        driver, grid, experiment = self.driver, self.grid, self._experiment
        history = driver.history if driver else []
        initial = driver.initial if driver else {}
        federated = [entry[self._metric] for entry in history if self._metric in entry]
        central = [entry[self._metric] for entry in self.twin if self._metric in entry]
        finals = {"federated": _last(federated), "centralised": _last(central)}
        gap = None
        if finals["federated"] is not None and finals["centralised"] is not None:
            gap = round(finals["centralised"] - finals["federated"], 6)
        overheads = [entry["overhead_s"] for entry in history]
        elapsed = driver.elapsed_s if driver else 0.0
        before_s = driver.elapsed_before_s if driver else 0.0
        return {
            "id": self._order.run,
            "name": self._order.spec.name,
            "description": experiment.description if experiment else "",
            "kind": self._order.spec.kind,
            "task": experiment.task.name if experiment else self._order.spec.clientapp,
            "task_args": self.task_args,
            "dataset": self.samples.name if self.samples else "",
            "metric": self._metric,
            "seed": self._order.spec.seed,
            "state": state,
            "error": error or None,
            "rounds": len(history),
            "rounds_planned": driver.planned if driver else 0,
            "final": finals,
            "best": {
                "federated": max(federated, default=None),
                "centralised": max(central, default=None),
            },
            "gap": gap,
            "target": self.target.outcome(history, self.twin, initial.get(self._metric)),
            "codec": self._codec(),
            "bytes_up": grid.bytes_up if grid else 0,
            "bytes_down": grid.bytes_down if grid else 0,
            "wall_s": round(before_s + time.monotonic() - self._began, 3),
            "federated_s": round(self._federated_s or elapsed, 3),
            "twin_s": round(sum(entry["wall_s"] for entry in self.twin), 3),
            "twin_reused_of": None if self.twin_of == self._order.run else self.twin_of,
            "twin_own": {} if experiment is None else _own(experiment.centralised),
            "overhead_s": {
                "median": round(median(overheads), 4) if overheads else None,
                "max": max(overheads, default=None),
            },
            "adversaries": self._adversaries(),
            "virtual": self._virtual(),
            "stragglers": self._stragglers(),
            "selection": self._selection(),
            "verdict": self._verdict(state, history),
            "model_sha256": self._model_sha256(),
            "initial": initial,
            "history": history,
            "twin": self.twin,
            "confusion": self.examination.confusion if self.examination else {},
            "nodes": self._nodes(),
            "hardware": hardware.section(history, self._real_names(), self.probed),
            "partition": self.samples.describe() if self.samples else {},
            "classes": list(self.samples.whole.classes)
            if self.samples and self.samples.whole
            else [],
            "versions": _versions(),
            "commit": _commit(),
            "machine": {
                "cpus": psutil.cpu_count(),
                "memory_bytes": psutil.virtual_memory().total,
                "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            },
            "started_at": driver.started_at if driver else self._started_at,
            "experiment": self._order.spec.experiment,
        }

    def write(self, state: str, error: str = "") -> dict[str, Any]:
        """Write all result files into the run's folder; returns the result."""
        folder = self._order.folder
        result = self.result(state, error)
        _write(folder / "result.json", json.dumps(result, indent=1, allow_nan=False, default=str))
        _write(folder / "metrics.csv", metrics_csv(result))
        examined = self.examination
        _write(folder / "report.html", render(result, examined.predictions if examined else {}))
        if examined is not None:
            examined.save(folder / "predictions.npz")
        if self._order.spec.experiment:
            _write(folder / "experiment.yaml", self._order.spec.experiment)
        if self.samples is not None:
            self.samples.save(folder / "partition.npz")
        if self.driver is not None and self.driver.model is not None:
            arrays, _ = parted(flower.views_of(self.driver.model))
            np.savez(folder / "model.npz", **arrays)  # type: ignore[arg-type]
        return result

    def _codec(self) -> dict[str, str]:
        """Return the codec profiles that were asked for, both ways."""
        if self._experiment is not None:
            return {"up": self._experiment.codec.up, "down": self._experiment.codec.down}
        return {"up": self._order.spec.codec_up, "down": self._order.spec.codec_down}

    def _adversaries(self) -> dict[str, Any] | None:
        """Describe the nodes that falsified their updates on purpose; None if there were none."""
        found = self.adversaries
        if found is None or not found.partitions:
            return None
        named = {"kind": found.spec.kind, "scale": found.spec.scale}
        return {**named, "partitions": list(found.partitions), "text": found.describe()}

    def _virtual(self) -> dict[str, Any] | None:
        """Say on how many real nodes virtual ones took turns; None where all were real."""
        spec = self._order.spec
        if not spec.is_virtual:
            return None
        nodes, agents = spec.partitions, spec.need().nodes
        return {"nodes": nodes, "agents": agents, "text": crowd(nodes, agents)}

    def _stragglers(self) -> dict[str, Any] | None:
        """Describe the nodes that were slowed down on purpose; None if there were none."""
        found = self.stragglers
        if found is None or not found.partitions:
            return None
        named = {"factor": found.spec.factor, "partitions": list(found.partitions)}
        return {**named, "text": found.describe()}

    def _selection(self) -> dict[str, Any] | None:
        """Describe who chose the nodes of a round; None where the strategy did."""
        chosen = self.selector
        return None if chosen is None else {"name": chosen.name, "args": chosen.args}

    def _verdict(self, state: str, history: list[dict[str, Any]]) -> dict[str, Any]:
        """Say whether the figures stand for an undisturbed run, and if not, why."""
        reasons = []
        if state != "finished":
            reasons.append(f"the run was {state} after {len(history)} rounds")
        names = {p.partition: p.name for p in self.grid.participants.values()} if self.grid else {}
        reasons += disturbances.told(history, names)
        if self._order.resume:
            reasons.append("the run's process was restarted and went on from a checkpoint")
        if psutil.swap_memory().used - self._swap_before > SWAP_TOLERANCE_BYTES:
            reasons.append("the coordinator's machine swapped memory to disk")
        virtual = self._virtual()
        return {
            "status": "tainted" if reasons else "clean",
            "reasons": reasons,
            **({"note": virtual["text"]} if virtual else {}),
        }

    def _nodes(self) -> list[dict[str, Any]]:
        if self.grid is None:
            return []
        samples = self.samples
        counts = samples.class_counts() if samples else []
        nodes = []
        for partition, participant in sorted(self.grid.participants.items()):
            node: dict[str, Any] = {
                "partition": partition,
                "name": participant.name,
                **({"host": participant.host} if participant.host else {}),
                "profile": participant.profile,
                "agent": participant.agent,
            }
            if self.adversaries is not None and partition in self.adversaries.partitions:
                node["adversary"] = self.adversaries.spec.kind
            slowed = None if self.stragglers is None else self.stragglers.factor(partition)
            if slowed is not None:
                node["slowed"] = slowed
            if samples is not None and partition < len(samples.train):
                node["train_samples"] = len(samples.train[partition])
                node["test_samples"] = len(samples.test[partition])
                node["class_counts"] = counts[partition]
            nodes.append(node)
        return nodes

    def _real_names(self) -> list[str]:
        nodes = sorted(self.grid.participants.items()) if self.grid else []
        return [node.host or node.name for _, node in nodes]

    def _model_sha256(self) -> str | None:
        """Hash the final model: names, dtypes, shapes and every bit of its arrays."""
        if self.driver is None or self.driver.model is None:
            return None
        digest = hashlib.sha256()
        weights, _ = parted(flower.views_of(self.driver.model))
        for name, array in weights.items():
            digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def _last(values: list[float]) -> float | None:
    return values[-1] if values else None


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(path.suffix + ".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _versions() -> dict[str, str]:
    installed = {d.name: d.version for d in metadata.distributions()}
    found = {name: installed[name] for name in _PACKAGES if name in installed}
    return {"fedbed": __version__, "python": platform.python_version(), **found}


def _commit() -> str | None:
    """Return the commit that fedbed's own source stands at, where it is a checkout."""
    source = Path(__file__).resolve().parents[2]
    if not (source / ".git").exists():
        return None
    try:
        done = subprocess.run(  # nosec B603 B607 # git, on a folder of ours
            ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _own(centralised: Centralised) -> dict[str, int | float]:
    """Return what the twin does in another way than the nodes, by its name for people."""
    own = {"batch size": centralised.batch_size, "learning rate": centralised.lr}
    return {name: value for name, value in own.items() if value is not None}
