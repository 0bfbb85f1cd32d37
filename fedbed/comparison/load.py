"""Comparison files and experiment files into a plan, every variant resolved and checked."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from fedbed import yamlfile
from fedbed.comparison.plan import Plan, Variant, refuse_twice, run_name
from fedbed.comparison.schema import Comparison, check_reference
from fedbed.errors import ExperimentError
from fedbed.experiment import Assignment, Experiment, assign, describe, load, override
from fedbed.experiment.complaints import complaints, one_line
from fedbed.experiment.load import SHORTHANDS, from_data, keys_of, read_text

MARKS = ("base", "variants", "grid")
"""Keys that no experiment file has: one of them makes it a comparison file."""
_MOST_SAID = 10


def plan_of(paths: Sequence[Path], settings: Sequence[str] = ()) -> Plan:
    """Read one comparison file, or experiment files, each of which is a variant.

    settings: `key=value` of the command line. They change the experiment that is varied, and not
    what a variant sets itself.

    Raises:
        ExperimentError: a file can't be read, or says something that can't be run.
    """
    texts = [read_text(path) for path in paths]
    parsed = [_parsed(text, str(path)) for text, path in zip(texts, paths, strict=True)]
    for (data, lines), path in zip(parsed, paths, strict=True):
        if isinstance(data, dict) and any(mark in data for mark in MARKS):
            if len(paths) > 1:
                raise ExperimentError(f"'{path}' is a comparison file: name it alone")
            return _of_comparison(data, lines, path, settings)
    experiments = [
        override(from_data(data, str(path), lines), settings)
        for (data, lines), path in zip(parsed, paths, strict=True)
    ]
    variants = tuple(Variant(one.name, one, one.seeds) for one in experiments)
    refuse_twice(variants)
    first = experiments[0]
    more = f"-and-{len(experiments) - 1}-more" if len(experiments) > 1 else ""
    return Plan(first.name + more, variants, first.description if not more else "")


def _parsed(text: str, origin: str) -> tuple[Any, yamlfile.Lines]:
    try:
        return yamlfile.read(text)
    except yamlfile.YamlError as error:
        raise ExperimentError(one_line(origin, error.line, str(error))) from None


def _of_comparison(
    data: dict[str, Any], lines: yamlfile.Lines, path: Path, settings: Sequence[str]
) -> Plan:
    origin = str(path)
    file = _validated(_with_base(data, path), origin, lines)
    base = override(file.base, settings)
    wanted = list(_wanted(file, lines))
    seeds = base.seeds if file.seeds is None else file.seeds
    resolved, problems = [], []
    for name, line, keys in wanted:
        try:
            found = assign(base, _assignments(keys, f"{origin}:{line}: variant {name!r}"))
        except ExperimentError as error:
            problems.append(str(error))
            continue
        named = found.model_copy(update={"name": run_name(file.name, name), "seeds": seeds})
        resolved.append(Variant(name, named, seeds))
    if problems:
        raise ExperimentError(_joined(problems))
    try:
        refuse_twice(resolved)
        if file.reference is not None:
            check_reference(file.reference, (name for name, _, _ in wanted))
    except ExperimentError as error:
        raise ExperimentError(one_line(origin, 0, str(error))) from None
    except PydanticCustomError as error:
        said = one_line(origin, lines.get(("reference",), 0), f"reference: {error.message()}")
        raise ExperimentError(said) from None
    changed = file.model_copy(update={"base": base, "seeds": seeds})
    content = changed.model_dump(mode="json")
    return Plan(file.name, tuple(resolved), file.description, file.reference or "", content)


def _with_base(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """Read the base where it is the path of an experiment file, and name it where it isn't."""
    base = data.get("base")
    if isinstance(base, str):
        return {**data, "base": load(path.parent / base)}
    if isinstance(base, dict) and "name" not in base:
        return {**data, "base": {"name": "base", **base}}
    return data


def _validated(data: dict[str, Any], origin: str, lines: yamlfile.Lines) -> Comparison:
    try:
        return Comparison.model_validate(data)
    except ValidationError as error:
        found = complaints(error, lines, Comparison)
        first = found[0]
        raise ExperimentError(one_line(origin, first.line, first.text, found[1:])) from None


def _wanted(file: Comparison, lines: yamlfile.Lines) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Yield name, line and keys of each variant."""
    for name, keys in file.variants.items():
        yield name, lines.get(("variants", name), 0), keys
    if not file.grid:
        return
    labels = _labels(list(file.grid))
    for values in itertools.product(*file.grid.values()):
        named = zip(labels, values, strict=True)
        name = ", ".join(f"{label} {shown(value)}" for label, value in named)
        yield name, lines.get(("grid",), 0), dict(zip(file.grid, values, strict=True))


def _assignments(keys: Mapping[str, Any], origin: str) -> Iterator[Assignment]:
    """Read dotted keys; a mapping for a whole section sets the keys that it names alone."""
    for key, value in keys.items():
        path = keys_of(key)
        if not path:
            raise ExperimentError(
                one_line(origin, 0, f"{key!r} is no key; wanted: federation.nodes")
            )
        yield from _flattened(path, value, origin)


def _flattened(path: tuple[str, ...], value: Any, origin: str) -> Iterator[Assignment]:
    if isinstance(value, dict) and describe.is_section(path, Experiment) and path not in SHORTHANDS:
        for key, below in value.items():
            yield from _flattened((*path, key), below, origin)
        return
    # Assignments below it would change it for the next variant as well.
    yield Assignment(path, copy.deepcopy(value), origin)


def _labels(keys: list[str]) -> list[str]:
    """Return the last part of each key, with as many before it as tell it from the others."""
    parts = [key.split(".") for key in keys]
    found = []
    for mine in parts:
        length = 1
        while length < len(mine) and sum(p[-length:] == mine[-length:] for p in parts) > 1:
            length += 1
        found.append(".".join(mine[-length:]))
    return found


def shown(value: Any) -> str:
    """Write a value as part of a name: `3`, `dirichlet alpha 0.3`, `null`."""
    if isinstance(value, dict):
        words = []
        for key, below in value.items():
            bare = key in SHORTHANDS.values() or key == "args"
            words.append(shown(below) if bare else f"{key} {shown(below)}")
        return " ".join(word for word in words if word)
    if isinstance(value, list):
        return "+".join(map(shown, value))
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    return str(value)


def _joined(problems: Iterable[str]) -> str:
    listed = list(problems)
    left = len(listed) - _MOST_SAID
    more = f"; and {left} more variants with problems" if left > 0 else ""
    return "; also: ".join(listed[:_MOST_SAID]) + more
