"""Before a run: are the nodes fit for what it asks of them?"""

from __future__ import annotations

import math
import sys
from collections.abc import Collection
from typing import Any

from fedbed import data, tasks
from fedbed.cli import checkups
from fedbed.cli.checkups import Say
from fedbed.client import Client
from fedbed.errors import DataError, Unhealthy
from fedbed.experiment import Experiment
from fedbed.units import format_bytes, format_count

_AUTO = "mnist"
_UNKNOWN_SAMPLES = 1000
"""Of a node that brings data of its own, and takes all of them at once."""


def needs(wanted: Experiment) -> dict[str, Any]:
    """Return what an experiment asks of a node, by the keys of the API's `CheckupOrder`."""
    task, federation = wanted.task, wanted.federation
    card = _card(wanted)
    shape = _shape(wanted, card)
    memory = tasks.memory(
        task.name,
        tasks.check_args(task.name, task.args),
        shape,
        _batch(wanted, card),
        wanted.optimizer.name,
        federation.evaluate in ("nodes", "both"),
    )
    on_disk = wanted.data.delivery == "shared" and card is not None and card.generator is None
    return {
        "memory_bytes": memory + (_samples_bytes(wanted, card) if memory else 0),
        "packages": tasks.packages(task.name),
        "dataset": card.name if card is not None and on_disk else "",
    }


def check(
    client: Client, names: Collection[str], wanted: dict[str, Any], say: Say, allowed: bool
) -> None:
    """Have the nodes examined that a run may choose, and say what is wrong with them.

    wanted: what the run needs. allowed: whether a run may start with nodes that can't train.
    Raises Unhealthy if one can't.
    """
    nodes = [node for node in client.nodes() if node["name"] in names]
    memory = wanted.get("memory_bytes") or 0
    takes = f", for a worker of about {format_bytes(memory)}" if memory else ""
    say(f"preflight: asking {format_count(len(nodes), 'node')} how they are{takes}")
    patients = checkups.examine(client, nodes, wanted, lambda line: say(f"  {line}"))
    bad = [patient for patient in patients if patient.complaints()]
    if not bad:
        return
    checkups.explain(bad, say)
    told = "; ".join(f"{p.name} ({', '.join(p.complaints())})" for p in bad)
    if allowed:
        say(f"preflight: the run starts all the same with {told}")
        return
    raise Unhealthy(
        f"{told} can't train like this: `fedbed doctor --fleet` says what mends it, "
        "--allow-unhealthy runs all the same"
    )


def _card(wanted: Experiment) -> data.Card | None:
    if wanted.data.delivery == "node":
        return None
    name = _AUTO if wanted.data.dataset == "auto" else wanted.data.dataset
    try:
        return data.load_card(name)
    except DataError:
        return None  # one of the nodes' own: this machine knows nothing of it


def _shape(wanted: Experiment, card: data.Card | None) -> tuple[int, ...]:
    """Return the shape of a sample as it is trained on; where it isn't known, 256 pixels square."""
    sides = [256 if side is None else side for side in tasks.sample_shape(wanted.task.name)]
    if card is not None:
        sides = list(card.shapes["train"][1:])
    size = wanted.data.image_size
    if size is not None and min(sides[:2]) > size:
        factor = min(sides[:2]) // size
        sides[:2] = [side // factor for side in sides[:2]]
    return tuple(sides)


def _batch(wanted: Experiment, card: data.Card | None) -> int:
    """Return the largest batch: a node's samples, where it is to take all; some have more."""
    if card is None:
        return min(wanted.federation.batch_size, _UNKNOWN_SAMPLES)
    train = min(card.shapes["train"][0], wanted.data.train_samples or sys.maxsize)
    return min(wanted.federation.batch_size, math.ceil(train / wanted.federation.nodes))


def _samples_bytes(wanted: Experiment, card: data.Card | None) -> int:
    """Return bytes of what a worker holds of the samples: of shared ones all, if only at first."""
    if card is None:
        return 0
    whole = math.prod(card.shapes["train"])
    return whole if wanted.data.delivery == "shared" else whole // wanted.federation.nodes
