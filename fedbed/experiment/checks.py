"""Checks of the experiment file that compare keys, or ask the code that will run them.

Known tasks and partition schemes are imported where they are needed: their modules belong to
other layers, and a file that doesn't name them shouldn't pay for them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Dict, List, Sequence, Tuple, TypeVar

from fedbed.errors import ExperimentError
from fedbed.experiment.base import ALL_SAMPLES, hint, problem

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy
    from pydantic import ValidationInfo

    from fedbed.data import Card
    from fedbed.experiment.schema import Experiment, Federation, Optimizer

T = TypeVar("T")


STORED = {"stored": True}
"""Context of validation for an experiment that was checked before, when it was submitted.

Its data set may have gone since, with a folder of the user's; its run must still be listed.
"""


def is_stored(info: ValidationInfo) -> bool:
    """Whether the validation has the context STORED."""
    return info.context == STORED


def unique(values: Tuple[T, ...]) -> Tuple[T, ...]:
    """Refuse a list that names something twice."""
    seen = set()
    for value in values:
        if value in seen:
            raise problem("", f"names {value!r} twice; each may stand there once")
        seen.add(value)
    return values


def task(given: object) -> object:
    """Expand a bare task name, check the task's arguments and fill in those left out."""
    if isinstance(given, str):
        given = {"name": given}
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):
        return given  # pydantic has the words for it
    from fedbed import tasks

    name, args = given["name"], given.get("args", {})
    known = tasks.names()
    if name not in known:
        raise problem("", f"unknown task {name!r}{hint(name, known)}; allowed: {', '.join(known)}")
    if not isinstance(args, dict):
        return given
    try:
        return {**given, "args": tasks.check_args(name, args)}
    except tasks.ArgumentError as error:
        raise problem(f"args.{error.key}", error.text) from None


def datasets() -> List[str]:
    """List what `data.dataset` may be: 'auto' and the name of every card."""
    from fedbed.data import card_names

    return ["auto", *card_names()]


def shipped_datasets() -> List[str]:
    """List those that every machine knows: the reference doesn't depend on who generates it."""
    from fedbed.data import shipped_names

    return ["auto", *shipped_names()]


def dataset(name: str) -> str:
    """Refuse a data set that has no card."""
    known = datasets()
    if name not in known:
        raise problem(
            "", f"unknown data set {name!r}{hint(name, known)}; allowed: {' | '.join(known)}"
        )
    return name


def partition(given: object) -> object:
    """Expand a bare scheme name, check the scheme's arguments and fill in those left out."""
    if isinstance(given, str):
        given = {"scheme": given}
    if not isinstance(given, dict):
        return given
    from fedbed.data.partition import SCHEMES

    scheme = given.get("scheme", "iid")
    if not isinstance(scheme, str):
        return given  # pydantic has the words for it
    if scheme not in SCHEMES:
        known = ", ".join(SCHEMES)
        raise problem(
            "scheme", f"unknown scheme {scheme!r}{hint(scheme, SCHEMES)}; allowed: {known}"
        )
    defaults = SCHEMES[scheme]
    args: Dict[str, object] = {}
    for key, value in given.items():
        if key == "scheme":
            continue
        if key not in defaults:
            known = ", ".join(defaults) or "no arguments"
            raise problem(
                str(key),
                f"scheme {scheme!r} has no such argument{hint(key, defaults)}; allowed: {known}",
            )
        args[key] = _scheme_arg(key, value, defaults[key])
    return {"scheme": scheme, **defaults, **args}


def selection(given: object) -> object:
    """Expand a bare name of a selection, check its arguments and fill in those left out."""
    if isinstance(given, str):
        given = {"name": given}
    if not isinstance(given, dict):
        return given
    name, args = given.get("name", "strategy"), given.get("args", {})
    if name == "strategy" and not args:
        return given  # the default needs no look at the selections
    if not isinstance(name, str) or not isinstance(args, dict):
        return given  # pydantic has the words for it
    from fedbed.selection import build

    try:
        made = build(name, args)
    except ExperimentError as error:
        raise problem("", str(error)) from None
    return given if made is None else {**given, "name": name, "args": made.model_dump(mode="json")}


def _scheme_arg(key: str, value: object, default: object) -> object:
    """Check one argument against the kind of its default; all of today's must be above 0."""
    whole = isinstance(default, int)
    kind = "a whole number above 0" if whole else "a number above 0"
    right = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not right or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise problem(key, f"given {value!r}; allowed: {kind}")
    return value if whole else float(value)


def federation(section: Federation) -> None:
    """Compare the numbers of nodes and the waits with one another."""
    nodes, least = section.nodes, section.needed_nodes
    if least > nodes:
        raise problem("min_nodes", f"{least} is more than nodes ({nodes}); allowed: 1 to {nodes}")
    _agents(section)
    names = section.select.names
    real = section.real_nodes if section.is_virtual else least
    if names and len(names) < real:
        lower = "agents" if section.is_virtual else "nodes or min_nodes"
        raise problem(
            "select.names",
            f"names {_count(names, 'node')}, but the run needs {real}; name more, or lower {lower}",
        )
    if section.stop_at_target and section.target is None:
        raise problem("stop_at_target", "true needs a target to stop at; give target too")
    if section.target is not None and section.evaluate not in ("server", "both"):
        raise problem(
            "target",
            "is looked for on the coordinator's test set, which evaluate "
            f"({section.evaluate!r}) leaves out; set evaluate to server or both",
        )
    _selectable(section)
    pace = section.pace
    if pace.factor is not None and pace.least > section.deadline:
        raise problem("pace.least", "is longer than deadline, which is the longest limit")
    if pace.factor is not None and pace.share < section.quorum:
        raise problem(
            "pace.share",
            f"is below quorum ({section.quorum:g}): rounds would close before they count",
        )
    if section.rejoin_grace > section.deadline:
        raise problem("rejoin_grace", "is longer than deadline; a round ends with its deadline")


def _agents(section: Federation) -> None:
    nodes, agents = section.nodes, section.agents
    if agents is not None and agents > nodes:
        raise problem("agents", f"{agents} is more than nodes ({nodes}); allowed: 1 to {nodes}")
    if section.is_virtual and section.needed_nodes < nodes:
        raise problem(
            "min_nodes",
            f"{section.needed_nodes} can't be less than nodes ({nodes}) where these share agents: "
            "all agents are needed to start; leave it out",
        )


def _selectable(section: Federation) -> None:
    """Refuse a selection that contradicts what else the section says of the nodes."""
    if section.selection.name == "all" and section.asked_fraction < 1:
        raise problem("fraction", "is below 1, but selection 'all' asks every node")
    carried, args = section.select.labels, section.selection.args
    if section.selection.name != "label" or args["otherwise"] != "none":
        return
    for key, value in args["target"].items():
        if carried.get(key, value) != value:
            raise problem(
                "selection.args.target",
                f"selects nobody: nodes with {key}={value} are wanted, but select.labels admits "
                f"those with {key}={carried[key]} only",
            )


def optimizer(section: Optimizer) -> None:
    """Refuse what belongs to another optimiser: it would be read and have no effect."""
    if section.name == "adamw" and section.momentum is not None:
        raise problem("momentum", "is sgd's; adamw has betas: leave it out, or set it to null")
    if section.name == "sgd" and section.betas is not None:
        raise problem("betas", "are adamw's; sgd has momentum: leave them out, or set them to null")


_MERELY_AVERAGE = (
    "AverageOfRounds",
    "Bulyan",
    "FedAvg",
    "FedMedian",
    "FedProx",
    "FedTrimmedAvg",
    "Krum",
    "MultiKrum",
    "PooledStatistics",
    "Reweighted",
)
"""Strategies that make a model out of updates alone: what they do to weights suits moments too."""


def _moments(whole: Experiment) -> None:
    """Moments can be averaged; to step along them, to clip or to blur them makes no sense."""
    if whole.optimizer.moments != "average":
        return
    if whole.optimizer.name == "sgd" and whole.optimizer.used_momentum == 0:
        raise problem(
            "optimizer.moments", "is 'average', but momentum is 0: there is nothing to keep"
        )
    other = [name for name in whole.federation.strategy.names if name not in _MERELY_AVERAGE]
    if other:
        raise problem(
            "optimizer.moments",
            f"'average' doesn't go with strategy {other[0]!r}; "
            f"it does with {', '.join(_MERELY_AVERAGE)}",
        )


def experiment(whole: Experiment) -> None:
    """Compare sections with one another, and try the strategy as the run will build it."""
    _learning(whole)
    _moments(whole)
    _samples(whole)
    nodes = whole.federation.nodes
    for key, part in (("adversaries", whole.adversaries), ("stragglers", whole.stragglers)):
        if part.nodes > nodes:
            raise problem(
                f"{key}.nodes", f"is more than federation.nodes ({nodes}); allowed: 0 to {nodes}"
            )
    if whole.data.delivery == "node" and whole.data.validation_samples:
        raise problem(
            "data.validation_samples",
            "needs the training samples at the coordinator, but data.delivery is 'node'; "
            "set it to 0",
        )
    if whole.data.delivery == "node" and whole.centralised.enabled:
        raise problem(
            "centralised.enabled",
            "true needs the nodes' data at the coordinator, but data.delivery is 'node'; "
            "set it to false",
        )
    if whole.data.delivery == "node" and whole.federation.target is not None:
        raise problem(
            "federation.target",
            "needs a test set at the coordinator, but data.delivery is 'node'; leave it out",
        )
    if whole.data.delivery == "node" and whole.federation.is_virtual:
        raise problem(
            "federation.agents",
            "is less than nodes, but data.delivery is 'node': those who share an agent would all "
            "have its samples; leave agents out",
        )
    spec = whole.federation.strategy
    if spec.name == "FedAvg" and not spec.args:
        return  # the default needs no look at Flower, whose import takes 0.3 s
    from fedbed.experiment import strategies

    try:
        strategy = strategies.build(spec.name, spec.args, strategies.defaults(whole))
    except ExperimentError as error:
        raise problem("federation.strategy", str(error)) from None
    _fits_strategy(whole, list(strategies.layers(strategy)))


def _fits_no_rounds(federation: Federation) -> None:
    """What only rounds have is refused where there are none."""
    given = {
        "evaluate": (
            federation.evaluate not in ("server", "none"),
            federation.evaluate,
            "server | none",
        ),
        "over_selection": (federation.over_selection > 0, federation.over_selection, "0"),
        "selection": (
            federation.selection.name != "strategy",
            federation.selection.name,
            "strategy",
        ),
        "pace.factor": (federation.pace.factor is not None, federation.pace.factor, "null"),
    }
    for key, (wrong, value, allowed) in given.items():
        if wrong:
            raise problem(
                f"federation.{key}",
                f"{value!r} needs rounds, but {federation.strategy.name} is asynchronous; "
                f"allowed: {allowed}",
            )


def _fits_strategy(whole: Experiment, layers: Sequence[Strategy]) -> None:
    """A strategy may need what another section leaves out."""
    from fedbed.experiment import strategies
    from fedbed.strategies.reweighted import Reweighted

    federation = whole.federation
    if strategies.is_asynchronous(layers[0]):
        _fits_no_rounds(federation)
    by_loss = any(isinstance(s, Reweighted) and s.by == "validation-loss" for s in layers)
    if by_loss and not whole.data.validation_samples:
        raise problem(
            "data.validation_samples",
            "is 0, but weights by 'validation-loss' need samples that are kept back; "
            "set it to some hundred",
        )


def shapes(whole: Experiment) -> None:
    """The data set must be what the task learns from; nodes' own data are looked at there."""
    from fedbed import tasks
    from fedbed.data import load_card

    spec, chosen, classes = whole.task, whole.data.dataset, None
    if whole.data.delivery != "node":
        # 'auto' is mnist or synthetic-digits, which are alike.
        card = load_card("mnist" if chosen == "auto" else chosen)
        classes = len(card.classes)
        targets(card, chosen, spec.name, tasks.wants(spec.name))
        shape = shape_in_use(card, whole.data.image_size)
        if not tasks.fits(spec.name, shape):
            raise problem(
                "data.dataset",
                f"{chosen!r} has samples of {_extent(shape)}, but task {spec.name!r} takes "
                f"{tasks.shape_text(spec.name)}; allowed: {_fitting(spec.name)}",
            )
    try:
        tasks.with_classes(spec.name, spec.args, classes)
    except tasks.ArgumentError as error:
        raise problem(f"task.args.{error.key}", error.text) from None


def _fitting(task: str) -> str:
    from fedbed import tasks
    from fedbed.data import readable_cards

    fitting = [
        card.name
        for card in readable_cards()
        if card.targets == tasks.wants(task) and tasks.fits(task, card.shapes["train"][1:])
    ]
    return " | ".join(fitting) or "none of the known data sets"


def targets(card: Card, chosen: str, task: str, wanted: str) -> None:
    """A task that learns from labels can't learn from masks, nor the other way round."""
    if card.targets == wanted:
        return
    from fedbed.data import readable_cards

    words = {"labels": "labels (a class per image)", "masks": "masks (a class per pixel)"}
    fitting = [one.name for one in readable_cards() if one.targets == wanted]
    raise problem(
        "data.dataset",
        f"{chosen!r} has {words[card.targets]}, but task {task!r} learns from {words[wanted]}; "
        f"those with {wanted}: {' | '.join(fitting) or 'none of the known data sets'}",
    )


def shape_in_use(card: Card, image_size: int | None) -> Tuple[int, ...]:
    """Shape of one sample as the task gets it, after `data.image_size`."""
    shape = card.shapes["train"][1:]
    if image_size is None:
        return shape
    from fedbed.data import scaled_shape

    try:
        return scaled_shape(shape, image_size)
    except ExperimentError as error:
        raise problem("data.image_size", f"{card.name}: {error}") from None


def _learning(whole: Experiment) -> None:
    """The task must know the optimiser, and the schedule must fit into the rounds."""
    from fedbed.tasks import optimizer_names

    section, rounds = whole.optimizer, whole.federation.rounds
    known = optimizer_names(whole.task.name)
    if section.name not in known:
        raise problem(
            "optimizer.name",
            f"task {whole.task.name!r} doesn't learn by {section.name!r}; "
            f"allowed: {' | '.join(known)}",
        )
    if section.warmup >= rounds:
        raise problem(
            "optimizer.warmup",
            f"{section.warmup} leaves none of {_count(range(rounds), 'round')} for the full rate; "
            f"allowed: 0 to {rounds - 1}",
        )


def _extent(shape: Tuple[int, ...]) -> str:
    return "x".join(str(extent) for extent in shape)


def _samples(whole: Experiment) -> None:
    """A node without a sample can't train, and a batch can't exceed all there is."""
    samples, section = whole.data.train_samples, whole.federation
    if samples is None or whole.data.delivery == "node":
        return
    from fedbed.data.partition import overlaps

    kept_back = whole.data.validation_samples
    if kept_back >= samples:
        raise problem(
            "data.validation_samples",
            f"{kept_back} leaves nothing of data.train_samples ({samples}) to train on",
        )
    shards = whole.data.partition.args.get("shards_per_node", 1)
    least = section.nodes * shards + kept_back
    if samples < least and not overlaps(whole.data.partition.scheme):
        raise problem(
            "data.train_samples",
            f"{samples} is too few for {section.nodes} nodes; allowed: {least} or more",
        )
    if samples - kept_back < section.batch_size != ALL_SAMPLES:
        raise problem(
            "federation.batch_size",
            f"{section.batch_size} is more than data.train_samples ({samples - kept_back}); "
            f"allowed: 1 to {samples - kept_back}",
        )


def _count(things: Sequence[object], noun: str) -> str:
    return f"{len(things)} {noun}" + ("" if len(things) == 1 else "s")
