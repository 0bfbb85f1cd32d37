"""Checks of the experiment file that compare sections with one another.

What they ask (tasks, data sets, strategies) is imported where it is needed, as in `checks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence, Tuple

from fedbed.errors import ExperimentError
from fedbed.experiment.base import ALL_SAMPLES, problem
from fedbed.units import format_count

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy

    from fedbed.data import Card
    from fedbed.experiment.federation import Federation
    from fedbed.experiment.schema import Experiment

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
        _groups(whole, card, chosen)
    try:
        tasks.with_classes(spec.name, spec.args, classes)
    except tasks.ArgumentError as error:
        raise problem(f"task.args.{error.key}", error.text) from None


def _groups(whole: Experiment, card: Card, chosen: str) -> None:
    """Only a data set that knows which samples belong together can be divided so."""
    if whole.data.partition.scheme != "groups" or card.grouped:
        return
    from fedbed.data import readable_cards

    having = [one.name for one in readable_cards() if one.grouped]
    raise problem(
        "data.partition",
        f"'groups' divides by scene or site, of which data set {chosen!r} knows nothing; "
        f"those that do: {' | '.join(having) or 'none of the known data sets'}",
    )


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
            f"{section.warmup} leaves none of {format_count(rounds, 'round')} for the full rate; "
            f"allowed: 0 to {rounds - 1}",
        )
    if section.hold >= rounds - section.warmup:
        raise problem(
            "optimizer.hold",
            f"{section.hold} leaves the rate none of {format_count(rounds, 'round')} to fall in; "
            f"allowed: 0 to {rounds - section.warmup - 1}",
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
    sizes = {
        "federation.batch_size": section.batch_size,
        "centralised.batch_size": whole.twin_batch_size,
    }
    for key, size in sizes.items():
        if samples - kept_back < size != ALL_SAMPLES:
            raise problem(
                key,
                f"{size} is more than data.train_samples ({samples - kept_back}); "
                f"allowed: 1 to {samples - kept_back}",
            )
