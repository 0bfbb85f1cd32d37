"""What `fedbed run` was pointed at, made ready for submission."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, get_args

from fedbed import bundle, experiment
from fedbed.cli import flowerapp, preflight
from fedbed.client import Client
from fedbed.errors import DataError, ExperimentError, UsageError
from fedbed.experiment import Experiment

DEFAULT_APP_NODES = 2
FETCH_TIMEOUT_S = 8.0
Say = Callable[[str], None]
_CODEC_KEYS = {
    "codec.up": ("codec_up", get_args(experiment.UpProfile)),
    "codec.down": ("codec_down", get_args(experiment.DownProfile)),
}


@dataclass(frozen=True)
class Target:
    """A run to submit: `spec` holds the keys of RunSpec, `app` the bundle of a Flower app.

    nodes: how many (real) nodes it runs on. needs: finds out what it asks of each of them, by the
    keys of `CheckupOrder`; of an app nothing is known but that it needs flwr.
    """

    name: str
    nodes: int
    spec: dict[str, Any] = field(default_factory=dict)
    app: bytes | None = None
    needs: Callable[[], dict[str, Any]] = lambda: {"packages": ["flwr"]}

    def submit(self, client: Client) -> str:
        """Submit it; returns the run's id."""
        if self.app is not None:
            return client.submit_app(self.app, **self.spec)
        return client.submit(**self.spec)

    def eligible(self, client: Client) -> list[str]:
        """Return the names of nodes that it may run on; NodesMissing if there is none."""
        if self.app is None:
            return client.eligible(**self.spec)
        return client.eligible_for_app(self.app, **self.spec)


def is_app_folder(path: Path) -> bool:
    """Whether to treat the path as a Flower app; ExperimentError if it is nothing to run."""
    if path.is_file():
        return False
    if not path.exists():
        raise ExperimentError(f"there is no '{path}': name an experiment file or an app's folder")
    if path.is_dir() and flowerapp.is_app(path):
        return True
    raise ExperimentError(
        f"'{path}' is neither an experiment file nor a folder with a Flower app "
        "(a pyproject.toml with [tool.flwr.app.components])"
    )


def load_experiment(path: Path, assignments: Sequence[str], nodes: int | None) -> Experiment:
    """Read an experiment file with what the command line changes in it."""
    changes = list(assignments)
    if nodes is not None:
        changes.append(f"federation.nodes={nodes}")
    return experiment.override(experiment.load(path), changes)


def of_experiment(wanted: Experiment, seed: int | None, twin: bool) -> Target:
    """Make a run of one seed of an experiment; the file's first unless given."""
    spec = {
        "name": wanted.name,
        "experiment": experiment.dump(wanted),
        "seed": wanted.seeds[0] if seed is None else seed,
        "twin": twin,
    }
    needs = partial(preflight.needs, wanted)
    return Target(wanted.name, wanted.federation.real_nodes, spec, needs=needs)


def of_app(
    folder: Path, overrides: Sequence[str], assignments: Sequence[str], nodes: int | None
) -> Target:
    """Make a run of a Flower app; `assignments` may set codec.up and codec.down."""
    app = flowerapp.read(folder, overrides)
    count = nodes or app.nodes or DEFAULT_APP_NODES
    spec = {
        "name": app.name,
        "serverapp": app.serverapp,
        "clientapp": app.clientapp,
        "run_config": app.run_config,
        "nodes": count,
        **dict(_codec(text) for text in assignments),
    }
    return Target(app.name, count, spec, bundle.pack(folder))


def refuse_seed(seed: int | None) -> None:
    """UsageError for an option that means something to experiments only."""
    if seed is not None:
        raise UsageError("--seed is for experiments; a Flower app seeds itself")


def _codec(assignment: str) -> tuple[str, str]:
    """Read "codec.up=PROFILE"; returns the key of RunSpec and the profile."""
    key, _, value = assignment.partition("=")
    if key not in _CODEC_KEYS:
        raise UsageError(
            f"--set {assignment}: of a Flower app, --set changes {' and '.join(_CODEC_KEYS)} "
            "only; the app's own settings are for --run-config"
        )
    name, allowed = _CODEC_KEYS[key]
    if value not in allowed:
        raise UsageError(f"--set {key}: '{value}' is none of {', '.join(allowed)}")
    return name, value


def with_data(wanted: Experiment, say: Say) -> Experiment:
    """Make sure that the data set is on this machine; 'auto' becomes the one that is used.

    Raises DataError, naming the command that mends it, if the data set isn't here.
    """
    from fedbed import data

    if wanted.data.delivery == "node":
        return wanted
    if wanted.data.dataset != "auto":
        card = data.load_card(wanted.data.dataset)
        if card.generator is None:
            data.check(card)
        return wanted
    chosen, why = _choose()
    say(f"data: {chosen} ({why})")
    return experiment.override(wanted, [f"data.dataset={chosen}"])


def _choose() -> tuple[str, str]:
    from fedbed import data

    card = data.load_card("mnist")
    if all(state.state == "present" for state in data.status(card)):
        return "mnist", "it is on this machine"
    try:
        data.fetch(card, timeout_s=FETCH_TIMEOUT_S)
    except DataError:
        return (
            "synthetic-digits",
            "drawn by fedbed: MNIST is not on this machine and can't be fetched; "
            "`fedbed data fetch mnist` says why",
        )
    return "mnist", f"fetched to {data.data_dir() / 'mnist'}"
