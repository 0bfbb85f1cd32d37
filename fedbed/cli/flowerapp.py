"""A folder with a Flower app, read as `flwr run` reads it: components and run configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomllib

from fedbed.cli.parser import did_you_mean
from fedbed.errors import ExperimentError

Scalar = bool | int | float | str
_PAIR = re.compile(r"(\S+?)=('[^']*'|\"[^\"]*\"|\S+)")


@dataclass(frozen=True)
class FlowerApp:
    """What a run needs to know of an app; `nodes` is None unless the app says how many."""

    folder: Path
    name: str
    serverapp: str
    clientapp: str
    run_config: dict[str, Scalar]
    nodes: int | None


def is_app(folder: Path) -> bool:
    """Whether the folder's pyproject.toml names the components of a Flower app."""
    try:
        return bool(_at(_pyproject(folder), "tool", "flwr", "app", "components"))
    except ExperimentError:
        return (folder / "pyproject.toml").is_file()


def read(folder: Path, overrides: Iterable[str] = ()) -> FlowerApp:
    """Read an app; `overrides` are texts like "num-server-rounds=5 lr=0.1".

    Raises ExperimentError for a folder that is no app, an override that is no TOML, and a key that
    the app's own configuration doesn't have.
    """
    data = _pyproject(folder)
    where = f"{folder / 'pyproject.toml'}"
    parts = _at(data, "tool", "flwr", "app", "components")
    for component in ("serverapp", "clientapp"):
        if not isinstance(parts.get(component), str) or ":" not in parts[component]:
            raise ExperimentError(
                f"{where}: [tool.flwr.app.components] names no {component}; "
                f'wanted: {component} = "module:object"'
            )
    config = flatten(_at(data, "tool", "flwr", "app", "config"), where)
    config |= _overridden(config, overrides)
    name = _at(data, "project").get("name")
    return FlowerApp(
        folder,
        name if isinstance(name, str) and name else folder.resolve().name,
        parts["serverapp"],
        parts["clientapp"],
        config,
        _supernodes(data),
    )


def flatten(table: Mapping[str, Any], where: str, above: str = "") -> dict[str, Scalar]:
    """Join nested keys with dots, as Flower does."""
    found: dict[str, Scalar] = {}
    for key, value in table.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            found |= flatten(value, where, f"{name}.")
        elif isinstance(value, (bool, int, float, str)):
            found[name] = value
        else:
            raise ExperimentError(
                f"{where}: [tool.flwr.app.config] {name} is a {type(value).__name__}; "
                "allowed: a text, a number, true or false"
            )
    return found


def parse_run_config(text: str) -> dict[str, Scalar]:
    """Read "key=value key=value"; values are TOML, so texts stand in quotes."""
    rest = _PAIR.sub("", text).strip()
    if rest:
        raise ExperimentError(
            f"--run-config: '{rest}' is not of the form key=value (separated by blanks)"
        )
    found: dict[str, Scalar] = {}
    for key, value in _PAIR.findall(text):
        found |= flatten(_pair(key, value), "--run-config")
    return found


def _pair(key: str, value: str) -> dict[str, Any]:
    try:
        return tomllib.loads(f"{key} = {value}")
    except tomllib.TOMLDecodeError as error:
        raise ExperimentError(
            f"--run-config: {key}={value} is no TOML: write numbers and true or false as they "
            f"are, and texts in quotes, as in {key}='\"{value}\"'"
        ) from error


def _overridden(config: Mapping[str, Scalar], overrides: Iterable[str]) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    for text in overrides:
        for key, value in parse_run_config(text).items():
            if key not in config:
                known = ", ".join(sorted(config)) or "none"
                raise ExperimentError(
                    f"--run-config: the app has no key '{key}'"
                    f"{did_you_mean(key, config) or f' (it has: {known})'}"
                )
            found[key] = value
    return found


def _pyproject(folder: Path) -> dict[str, Any]:
    path = folder / "pyproject.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ExperimentError(
            f"the folder '{folder}' has no pyproject.toml, so it is no Flower app; "
            "name an app's folder or an experiment file"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ExperimentError(f"{path}: can't be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ExperimentError(f"{path}: no valid TOML: {error}") from error


def _at(data: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    table: Any = data
    for key in keys:
        table = table.get(key) if isinstance(table, Mapping) else None
    return dict(table) if isinstance(table, Mapping) else {}


def _supernodes(data: Mapping[str, Any]) -> int | None:
    """Return how many nodes the app's default federation simulates, if it still says so."""
    federations = _at(data, "tool", "flwr", "federations")
    default = federations.get("default")
    count = _at(federations, str(default), "options").get("num-supernodes")
    return count if isinstance(count, int) and count > 0 else None
