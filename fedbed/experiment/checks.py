"""Checks of the experiment file that compare keys, or ask the code that will run them.

Known tasks and partition schemes are imported where they are needed: their modules belong to
other layers, and a file that doesn't name them shouldn't pay for them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Dict, List, Tuple, TypeVar

from fedbed.errors import ExperimentError
from fedbed.experiment.base import hint, problem
from fedbed.units import format_count

if TYPE_CHECKING:
    from pydantic import ValidationInfo

    from fedbed.experiment.federation import Federation
    from fedbed.experiment.schema import Optimizer

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
    if not isinstance(given, dict) or not given.keys() <= {"name", "args"}:
        return given  # pydantic has the words for it
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
            f"names {format_count(len(names), 'node')}, but the run needs {real}; "
            f"name more, or lower {lower}",
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
    """Refuse what belongs to another optimiser or schedule: it would have no effect."""
    if section.name == "adamw" and section.momentum is not None:
        raise problem("momentum", "is sgd's; adamw has betas: leave it out, or set it to null")
    if section.name == "sgd" and section.betas is not None:
        raise problem("betas", "are adamw's; sgd has momentum: leave them out, or set them to null")
    if section.schedule == "constant" and section.hold:
        raise problem("hold", "is for schedule 'cosine'; 'constant' holds the rate all along")
