"""What a run was asked to be: an experiment or a Flower app. Kept as JSON in the database."""

from __future__ import annotations

import functools
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from coordinator.fleet.fleet import Member
from coordinator.runs.roster import Need
from fedbed import data, tasks
from fedbed.errors import ExperimentError
from fedbed.experiment import DownProfile, Experiment, UpProfile, loads
from fedbed.link.messages import ADVERSARY, CLIPPING, IMAGE_SIZE, STRAGGLER, BlobRef

DEFAULT_APP_START_TIMEOUT_S = 60.0
APP_METRIC = "accuracy"
"""What a Flower app is judged by, if it reports one."""
MAX_NAME = 200
MAX_APP_NODES = 100_000
_CLIPS = "DifferentialPrivacyClientSide"
"""Strategies that rely on nodes to shorten their updates."""
MAX_CONFIG_DEPTH = 16
"""Of a Flower app's configuration, which Flower itself keeps flat."""


@functools.lru_cache(maxsize=64)
def experiment_of(text: str) -> Experiment:
    """Parse the text of an experiment that `RunSpec.check` let in; asked often, so parsed once."""
    return loads(text, "the experiment", stored=True)


@dataclass(frozen=True)
class RunSpec:
    """Exactly one of `experiment` (canonical YAML) and `bundle` is set.

    seed: the one of the experiment's seeds that this run uses. twin: whether the centralised twin
    is trained as well.
    """

    name: str
    experiment: str = ""
    seed: int = 0
    twin: bool = False
    bundle: BlobRef | None = None
    serverapp: str = ""
    clientapp: str = ""
    run_config: dict[str, Any] = field(default_factory=dict)
    nodes: int = 2
    """How many nodes a Flower app gets; an experiment says so itself."""
    codec_up: UpProfile = "exact"
    """How a Flower app's models travel, this way and the other; an experiment says so itself."""
    codec_down: DownProfile = "exact"

    @classmethod
    def of(cls, given: dict[str, Any]) -> RunSpec:
        """Read a spec as `dataclasses.asdict` gives it."""
        bundle = given.get("bundle")
        return cls(**dict(given, bundle=None if bundle is None else BlobRef(**bundle)))

    @property
    def kind(self) -> str:
        """experiment or app."""
        return "app" if self.bundle is not None else "experiment"

    def check(self) -> None:
        """Raise ExperimentError if this can't be run, whatever the nodes."""
        if len(self.name) > MAX_NAME:
            raise ExperimentError(f"a run's name has {MAX_NAME} characters at most")
        if _deeper_than(self.run_config, MAX_CONFIG_DEPTH):
            raise ExperimentError(f"run_config is nested deeper than {MAX_CONFIG_DEPTH}")
        if self.kind == "experiment":
            loads(self.experiment, "the experiment")
            experiment_of(self.experiment)  # long ones take seconds: later nobody has them
        elif not self.serverapp or not self.clientapp:
            raise ExperimentError("a Flower app needs both a serverapp and a clientapp")
        elif not 1 <= self.nodes <= MAX_APP_NODES:
            raise ExperimentError(f"nodes: {self.nodes} is not 1 to {MAX_APP_NODES}")

    def need(self) -> Need:
        """What the run asks of its nodes."""
        if self.kind == "app":
            return Need(self.nodes, self.nodes, {})
        federation = experiment_of(self.experiment).federation
        return Need(
            federation.real_nodes,
            federation.real_nodes if federation.is_virtual else federation.needed_nodes,
            dict(federation.select.labels),
            tuple(federation.select.names),
        )

    @property
    def metric(self) -> str:
        """What the run is judged by."""
        if self.kind == "app":
            return APP_METRIC
        return tasks.metric(experiment_of(self.experiment).task.name)

    @property
    def partitions(self) -> int:
        """Number of participants: of its nodes, or of the virtual ones that these play."""
        return self.nodes if self.kind == "app" else experiment_of(self.experiment).federation.nodes

    @property
    def is_virtual(self) -> bool:
        """Whether participants share nodes."""
        return self.kind != "app" and experiment_of(self.experiment).federation.is_virtual

    def start_timeout_s(self) -> float:
        """How long the run waits for its nodes."""
        if self.kind == "app":
            return DEFAULT_APP_START_TIMEOUT_S
        return experiment_of(self.experiment).federation.start_timeout

    def lacks(self, member: Member) -> str:
        """Say what the run needs and the node doesn't have; empty if nothing."""
        if self.kind == "app":
            if member.apps_allowed:
                return ""
            return "doesn't run Flower apps (start it with --allow-apps yes, and flwr installed)"
        experiment = experiment_of(self.experiment)
        for ability, words in _abilities(experiment).items():
            if ability not in member.profile.abilities:
                return f"can't {words} (update its agent)"
        needed = tasks.packages(experiment.task.name)
        if experiment.data.delivery == "shared":
            needed += _to_read(experiment.data.dataset)
        missing = [p for p in needed if p not in member.profile.packages]
        return f"has no {' and no '.join(missing)} in its worker's interpreter" if missing else ""


def _abilities(experiment: Experiment) -> dict[str, str]:
    """What an experiment asks of its nodes that old agents can't do, with words for it."""
    strategy, section = experiment.federation.strategy, experiment.data
    asked = {
        ADVERSARY: (experiment.adversaries.nodes > 0, "play an adversary"),
        STRAGGLER: (experiment.stragglers.nodes > 0, "play a straggler"),
        IMAGE_SIZE: (
            section.image_size is not None and section.delivery != "shipped",
            "scale pictures down",
        ),
        CLIPPING: (
            any(name.startswith(_CLIPS) for name in strategy.names),
            "shorten its updates",
        ),
    }
    return {ability: words for ability, (wanted, words) in asked.items() if wanted}


@functools.lru_cache(maxsize=64)
def _to_read(dataset: str) -> tuple[str, ...]:
    """Packages without which a node can't read its own copy; asked often, so looked up once."""
    if dataset == "auto":
        return ()
    try:
        return ("pillow",) if data.load_card(dataset).kind == "pictures" else ()
    except ExperimentError:  # a data set that has gone: the run itself will say so
        return ()


def _deeper_than(value: object, levels: int) -> bool:
    """Whether lists and dictionaries lie within each other in more than so many levels."""
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(each, levels - 1) for each in inner)


def new_run_id(name: str) -> str:
    """Return an id that sorts by time, names the experiment and is unique."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:48] or "run"
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime())
    return f"{stamp}-{slug}-{secrets.token_hex(2)}"
