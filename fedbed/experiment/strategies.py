"""Strategies by name, Flower's and ours: which there are, what they take, and building one.

Flower is imported on first use: it takes 0.3 s, and few commands need it.
"""

from __future__ import annotations

import inspect
import logging
import math
import os
import types
from contextlib import contextmanager
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Iterator,
    List,
    Literal,
    Mapping,
    Type,
    Union,
    get_args,
    get_origin,
)

from fedbed.errors import ExperimentError, RequirementMissing
from fedbed.experiment.base import hint

if TYPE_CHECKING:
    from flwr.serverapp.strategy import Strategy

    from fedbed.experiment.schema import Experiment

_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "null",
}
_WRAPPED = "FedAvg"
"""What a wrapper is around, unless the file says otherwise."""
_FOR_TREES = "FedXgb"
"""Strategies that gather the trees of XGBoost: they can do nothing with the weights of a task."""


def strategy_names() -> List[str]:
    """Names of the strategies that an experiment file may name, sorted."""
    return sorted(_classes())


def strategy_class(name: str) -> Type[Strategy]:
    """Return the class behind a name that is among `strategy_names`."""
    return _classes()[name]


def arguments(name: str) -> Dict[str, str]:
    """Say what a file may set of a strategy: argument -> its default, or what it must be."""
    shown = {}
    for key, parameter in _parameters(strategy_class(name)).items():
        if not _is_settable(parameter.annotation):
            continue
        if _is_strategy(parameter.annotation):
            shown[key] = _WRAPPED
        elif parameter.default is inspect.Parameter.empty:
            shown[key] = f"required, {_wanted(parameter.annotation)}"
        else:
            shown[key] = _written(parameter.default)
            if get_origin(parameter.annotation) is Literal:
                shown[key] += f" ({_wanted(parameter.annotation)})"
    return shown


def defaults(experiment: Experiment) -> Dict[str, object]:
    """Constructor arguments that the experiment file says elsewhere; `build` uses those that fit.

    One node is enough for a round here, since quorum and deadline are the link's affair.
    """
    federation = experiment.federation
    on_nodes = federation.evaluate in ("nodes", "both")
    # A selection has chosen before the strategy is asked, which then takes all that it is offered.
    chosen = federation.selection.name != "strategy"
    return {
        "fraction_train": 1.0 if chosen else federation.asked_fraction,
        "fraction_evaluate": 1.0 if on_nodes else 0.0,
        "min_train_nodes": 1,
        "min_evaluate_nodes": 1 if on_nodes else 0,
        "min_available_nodes": 1,
        "client_learning_rate": experiment.optimizer.lr,  # QFedAvg scales losses with it
        # What FedAvg samples of a full fleet; the noise of differential privacy depends on it.
        "num_sampled_clients": max(1, int(federation.fraction * federation.nodes)),
    }


def build(name: str, args: Mapping[str, object], defaults: Mapping[str, object]) -> Strategy:
    """Make a strategy.

    Args:
        name: class name in `flwr.serverapp.strategy` or `fedbed.strategies`.
        args: constructor arguments from the experiment file. A wrapper's `strategy` is a name or
            {name, args}, FedAvg where it is left out.
        defaults: used for arguments that the constructor has and `args` leaves out.

    Raises:
        ExperimentError: unknown strategy or argument, a missing one, or a value that it refuses.
        RequirementMissing: Flower isn't installed.
    """
    known = _classes()
    if name not in known:
        raise ExperimentError(
            f"unknown strategy {name!r}{hint(name, known)}; allowed: {', '.join(sorted(known))}"
        )
    parameters = _parameters(known[name])
    settable = {key: p for key, p in parameters.items() if _is_settable(p.annotation)}
    for key in args:
        if key in settable:
            continue
        if key in parameters:
            raise ExperimentError(f"{name}: argument {key!r} is Python, not settable from a file")
        raise ExperimentError(
            f"{name} has no argument {key!r}{hint(key, settable)}; allowed: {', '.join(settable)}"
        )
    values: Dict[str, object] = {}
    for key, parameter in settable.items():
        if _is_strategy(parameter.annotation):
            values[key] = _nested(f"{name}: {key}", args.get(key, _WRAPPED), defaults)
        elif key in args:
            values[key] = _checked(f"{name}: {key}", args[key], parameter.annotation)
        elif key in defaults:
            values[key] = defaults[key]
        elif parameter.default is inspect.Parameter.empty:
            raise ExperimentError(f"{name} needs argument {key!r}: {_wanted(parameter.annotation)}")
    try:
        with _quiet():
            return known[name](**values)
    except (TypeError, ValueError, ArithmeticError) as error:
        text = " ".join(str(error).split())
        raise ExperimentError(f"{name} refuses its arguments: {text}") from error


def layers(strategy: Strategy) -> Iterator[Strategy]:
    """Yield a strategy and, where it is a wrapper, all that it is around, from the outside in."""
    from flwr.serverapp.strategy import Strategy

    layer: object = strategy
    while isinstance(layer, Strategy):
        yield layer
        layer = getattr(layer, "strategy", None)


def _nested(where: str, given: object, defaults: Mapping[str, object]) -> Strategy:
    if isinstance(given, str):
        given = {"name": given}
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise ExperimentError(f"{where} takes the name of a strategy, or {{name, args}}")
    args = given.get("args", {})
    extra = sorted(str(key) for key in given if key not in ("name", "args"))
    if extra or not isinstance(args, Mapping):
        wrong = f"unknown key {extra[0]!r}" if extra else "args must be a mapping"
        raise ExperimentError(f"{where}: {wrong}; allowed: name, args")
    strategy = build(given["name"], args, defaults)
    if is_asynchronous(strategy):
        raise ExperimentError(f"{where}: {given['name']} is asynchronous, which nothing wraps")
    return strategy


def is_asynchronous(strategy: Strategy) -> bool:
    """Whether a strategy takes updates in one by one, without rounds."""
    from fedbed.strategies.asynchronous import Asynchronous

    return isinstance(strategy, Asynchronous)


def _classes() -> Dict[str, Type[Strategy]]:
    # Set here too, not only by the run's process: any user of this module stays quiet and offline.
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")
    try:
        from flwr.serverapp import strategy as module

        from fedbed import strategies as ours

        own = ours.classes()
    except ImportError as error:
        raise RequirementMissing(
            "strategies need Flower; install it with: pip install 'fedbed[coordinator]'"
        ) from error
    found = {name: getattr(module, name) for name in module.__all__}
    flowers = {
        name: cls
        for name, cls in found.items()
        if inspect.isclass(cls)
        and issubclass(cls, module.Strategy)
        and not inspect.isabstract(cls)
        and not name.startswith(_FOR_TREES)
    }
    return {**flowers, **own}


def _parameters(cls: Type[Strategy]) -> Dict[str, inspect.Parameter]:
    signature = inspect.signature(cls.__init__, eval_str=True)
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = {key: p for key, p in signature.parameters.items() if p.kind not in variadic}
    named.pop("self")
    return named


def _options(annotation: Any) -> List[Any]:
    """Return the kinds of value that an annotation allows; nothing known allows nothing."""
    if isinstance(annotation, types.UnionType) or get_origin(annotation) is Union:
        return list(get_args(annotation))
    return [annotation]


def _is_strategy(annotation: Any) -> bool:
    from flwr.serverapp.strategy import Strategy

    return inspect.isclass(annotation) and issubclass(annotation, Strategy)


def _is_settable(annotation: Any) -> bool:
    if _is_strategy(annotation) or get_origin(annotation) is Literal:
        return True
    return all(kind in _KINDS for kind in _options(annotation))


def _wanted(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " | ".join(str(choice) for choice in get_args(annotation))
    return " or ".join(_KINDS[kind] for kind in _options(annotation))


def _written(default: object) -> str:
    """Write a default as a file would."""
    if default is None or isinstance(default, bool):
        return {None: "null", True: "true", False: "false"}[default]
    return f"{default:g}" if isinstance(default, float) else str(default)


def _checked(where: str, value: object, annotation: Any) -> object:
    """Check the kind ourselves: most constructors take anything and fail in the first round."""
    if get_origin(annotation) is Literal:
        if value not in get_args(annotation):
            wanted = _wanted(annotation)
            raise ExperimentError(f"{where}: given {repr(value)[:60]}; allowed: {wanted}")
        return value
    kinds = _options(annotation)
    if type(value) is int and float in kinds and int not in kinds:
        value = float(value) if abs(value) < 2**53 else math.inf
    finite = not isinstance(value, float) or math.isfinite(value)
    if type(value) not in kinds or not finite:
        shown = repr(value)[:60]
        raise ExperimentError(f"{where}: given {shown}; allowed: {_wanted(annotation)}")
    return value


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back Flower's warning that evaluation on nodes is off: the experiment file says so."""
    # A filter of its own per call, so that threads don't undo one another's setting.
    drop = logging.Filter("fedbed.nothing")  # passes only records of this logger, which has none
    logger = logging.getLogger("flwr")
    logger.addFilter(drop)
    try:
        yield
    finally:
        logger.removeFilter(drop)
