"""Experiment files in and out: read, write back in full, and override single keys."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any, Dict, Iterable, List, NamedTuple, Tuple, Union

from pydantic import ValidationError

from fedbed import yamlfile
from fedbed.errors import ExperimentError
from fedbed.experiment import describe
from fedbed.experiment.checks import STORED
from fedbed.experiment.complaints import complaints, one_line
from fedbed.experiment.schema import Experiment

Keys = Tuple[str, ...]


class Assignment(NamedTuple):
    """A value for one key; `origin` is the name that messages give to what assigns it."""

    path: Keys
    value: object
    origin: str


# Sections for which a bare name is accepted, with the key that the name stands for.
SHORTHANDS: Dict[Keys, str] = {
    ("data", "partition"): "scheme",
    ("federation", "strategy"): "name",
    ("federation", "selection"): "name",
    ("task",): "name",
}


def load(path: Union[str, Path]) -> Experiment:
    """Read an experiment file.

    Raises:
        ExperimentError: it can't be read, or says something that can't be run.
    """
    return loads(read_text(path), str(path))


def read_text(path: Union[str, Path], what: str = "an experiment file") -> str:
    """Read a file of settings; `what` is what messages call one.

    Raises:
        ExperimentError: it can't be read, is far too large or isn't text.
    """
    origin = str(path)
    try:
        info = Path(path).stat()
        # Asked before opening: reading from a pipe or a device may never end.
        if stat.S_ISDIR(info.st_mode):
            raise ExperimentError(one_line(origin, 0, f"is a folder; name {what} in it"))
        if not stat.S_ISREG(info.st_mode):
            raise ExperimentError(one_line(origin, 0, "is not a regular file"))
        with Path(path).open("rb") as file:
            raw = file.read(yamlfile.MAX_BYTES + 1)
    except FileNotFoundError:
        raise ExperimentError(one_line(origin, 0, "no such file")) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = getattr(error, "strerror", None) or error
        raise ExperimentError(one_line(origin, 0, f"can't be read: {reason}")) from None
    _check_size(len(raw), origin, what)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ExperimentError(one_line(origin, line, "not text in UTF-8")) from None


def loads(text: str, origin: str, stored: bool = False) -> Experiment:
    """Read an experiment from YAML text; `origin` is the name that messages give it.

    stored: it was checked when it was submitted, and its data set need not be there any more.

    Raises:
        ExperimentError: it can't be read, or says something that can't be run.
    """
    _check_size(len(text), origin, "an experiment file")
    try:
        data, lines = yamlfile.read(text)
    except yamlfile.YamlError as error:
        raise ExperimentError(one_line(origin, error.line, str(error))) from None
    if data is None:
        raise ExperimentError(one_line(origin, 0, "the file is empty; wanted: name, task, ..."))
    return from_data(data, origin, lines, stored)


def from_data(
    data: Any, origin: str, lines: yamlfile.Lines | None = None, stored: bool = False
) -> Experiment:
    """Check plain data, such as the body of a request, and make an experiment of it.

    lines: where its keys stand in a file. stored: as in `loads`.

    Raises:
        ExperimentError: it says something that can't be run.
    """
    if not isinstance(data, dict):
        kind = describe.given(data)
        raise ExperimentError(
            one_line(origin, 0, f"given {kind} at the top; allowed: keys such as name and task")
        )
    try:
        return Experiment.model_validate(data, context=STORED if stored else None)
    except ValidationError as error:
        found = complaints(error, lines or {}, Experiment)
        first = found[0]
        raise ExperimentError(one_line(origin, first.line, first.text, found[1:])) from None


def dump(experiment: Experiment) -> str:
    """Write an experiment as YAML with every default filled in; `loads` gives the same back."""
    return yamlfile.write(experiment.model_dump(mode="json"))


def override(experiment: Experiment, assignments: Iterable[str]) -> Experiment:
    """Change single keys, as the command line's `--set federation.rounds=5` does.

    Values are YAML, and several of them are checked together.

    Raises:
        ExperimentError: no such key, a value that isn't allowed there, or no 'key=value'.
    """
    return assign(experiment, map(_assignment, assignments))


def assign(experiment: Experiment, assignments: Iterable[Assignment]) -> Experiment:
    """Change single keys, all of them checked together.

    Raises:
        ExperimentError: no such key, or a value that isn't allowed there.
    """
    data: Dict[str, Any] = experiment.model_dump(mode="json")
    origins: List[Tuple[Keys, str]] = []
    # A scheme before its arguments: the order in which they are given doesn't matter.
    for path, value, origin in sorted(assignments, key=_precedence):
        _assign(data, path, value, origin)
        origins.append((path, origin))
    try:
        return Experiment.model_validate(data)
    except ValidationError as error:
        found = complaints(error, {}, Experiment)
    # Blame the assignment that touched the key; a check across keys may blame any of them.
    for complaint in found:
        for path, origin in reversed(origins):
            if complaint.path[: len(path)] == path:
                others = [other for other in found if other is not complaint]
                raise ExperimentError(one_line(origin, 0, complaint.text, others))
    origin = origins[-1][1] if origins else experiment.name
    raise ExperimentError(one_line(origin, 0, found[0].text, found[1:]))


def _assignment(text: str) -> Assignment:
    """Read 'key=value'."""
    origin = f"--set {text}"
    key, equals, written = text.partition("=")
    path = keys_of(key)
    if not equals or not path:
        raise ExperimentError(one_line(origin, 0, "wanted: key=value, as in federation.rounds=5"))
    try:
        value, _ = yamlfile.read(written)
    except yamlfile.YamlError as error:
        raise ExperimentError(one_line(origin, 0, str(error))) from None
    return Assignment(path, value, origin)


def keys_of(dotted: str) -> Keys:
    """Split 'federation.nodes' into its parts; empty for what is no key."""
    path = tuple(part.strip() for part in dotted.split("."))
    return path if all(path) else ()


def _precedence(assignment: Assignment) -> Tuple[int, bool]:
    path = assignment[0]
    return len(path), path[-1] != SHORTHANDS.get(path[:-1])


def _assign(data: Dict[str, Any], path: Keys, value: object, origin: str) -> None:
    section: Any = data
    for depth, part in enumerate(path[:-1], start=1):
        below = section.setdefault(part, {})
        if isinstance(below, str) and path[:depth] in SHORTHANDS:
            below = section[part] = {SHORTHANDS[path[:depth]]: below}
        if not isinstance(below, dict):
            held = yamlfile.dotted(path[:depth])
            raise ExperimentError(one_line(origin, 0, f"{held!r} holds a value, not further keys"))
        section = below
    key = SHORTHANDS.get(path[:-1])
    if key == path[-1] and section.get(key) != value:
        section.clear()  # another scheme's or strategy's arguments mean nothing to this one
    section[path[-1]] = value


def _check_size(size: int, origin: str, what: str) -> None:
    if size > yamlfile.MAX_BYTES:
        raise ExperimentError(one_line(origin, 0, f"is larger than 100 kB; {what} takes a few"))
