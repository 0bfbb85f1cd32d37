"""The agent's settings from a YAML file, for a service that is started without flags.

Its keys are the flags' own names with underscores. A flag beats the environment, and that beats
the file: so a file serves a fleet, and what is said closer to the process counts. What a file says
is turned into flags, which go before those that were given: each setting is read in one way only.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from edge_agent import enrolment
from edge_agent.broker import settings as broker_settings
from fedbed.cli.parser import count, did_you_mean
from fedbed.errors import RequirementMissing, UsageError
from fedbed.logs import printable

VARIABLE = "FEDBED_AGENT_CONFIG"
DEFAULT = Path("/etc/fedbed/agent.yaml")
_FLAGS_ONLY = ("help", "version", "config", "stop_with_parent")
_OVERRULED_BY = {
    "coordinator": ("FEDBED_COORDINATOR",),
    "ca": ("FEDBED_CA",),
    "enrol_file": ("FEDBED_ENROL_FILE", enrolment.VARIABLE),
    "broker": (broker_settings.ADDRESS,),
    "broker_password_file": (broker_settings.PASSWORD,),
}
"""Variables of the environment that say the same as a key."""
_MAX_BYTES = 100_000
_SHOWN_CHARS = 60


@dataclass(frozen=True)
class Key:
    """A key of the file, and the flag that it stands for."""

    name: str
    action: argparse.Action

    @property
    def flag(self) -> str:
        """The flag that says the same."""
        return self.action.option_strings[0]

    @property
    def is_mapping(self) -> bool:
        """Whether it holds keys of its own: the flag may then be repeated."""
        return isinstance(self.action.default, list)

    @property
    def allowed(self) -> str:
        """What may stand there, for people."""
        if self.is_mapping:
            return "a mapping of names to texts or whole numbers"
        if self.action.choices:
            return " or ".join(str(choice) for choice in self.action.choices)
        if self.action.type is count:
            return "a whole number from 1"
        if self.action.type is Path:
            return "a path"
        return "a text, or a number of seconds" if self.name == "sample_interval" else "a text"


def keys(parser: argparse.ArgumentParser) -> Dict[str, Key]:
    """Return all keys that a file may hold, in the order of the parser's flags."""
    found = [
        Key("labels" if action.dest == "label" else action.dest, action)
        for action in parser._actions
        if action.dest not in _FLAGS_ONLY
    ]
    return {key.name: key for key in found}


class SettingsFile:
    """What a file adds to the flags that were given."""

    def __init__(
        self, path: Path, settings: Mapping[str, List[str]], lines: Mapping[Any, int]
    ) -> None:
        self._path = path
        self._settings = settings
        self._lines = lines

    @property
    def flags(self) -> List[str]:
        """The settings as flags."""
        return [flag for flags in self._settings.values() for flag in flags]

    def named(self, error: UsageError) -> UsageError:
        """Return an error about a flag as one about the file's key, where the file gave it."""
        found = re.match(r"--([a-z-]+): ", str(error))
        flag = f"--{found.group(1)}" if found else ""
        for key, flags in self._settings.items():
            if found and any(each.startswith(flag + "=") for each in flags):
                text = str(error)[found.end() :]
                return _complaint(self._path, self._lines.get((key,), 0), f"{key}: {text}")
        return error


def find(given: Optional[Path]) -> Optional[Path]:
    """Return the file to read: the given one, else what the environment names, else the system's.

    None if there is none of them.
    """
    named = given or os.environ.get(VARIABLE)
    if named:
        return Path(named)
    return DEFAULT if os.path.lexists(str(DEFAULT)) else None


def read(path: Path, parser: argparse.ArgumentParser, argv: Sequence[str] = ()) -> SettingsFile:
    """Read a file of settings; those that flags or the environment give as well are left out.

    argv: the flags that were given.

    Raises:
        UsageError: it names the file, the line, the key, what was given and what is allowed.
        RequirementMissing: PyYAML isn't installed.
    """
    data, lines = _parsed(path, _text(path))
    known = keys(parser)
    given = {flag.partition("=")[0] for flag in argv}
    settings = {}
    for name, value in data.items():
        line = lines.get((name,), 0)
        if name not in known:
            hint = did_you_mean(name, known) or f"; allowed: {', '.join(known)}"
            raise _complaint(path, line, f"unknown key '{name[:_SHOWN_CHARS]}'{hint}")
        key = known[name]
        try:
            flags = _flags(key, value, path.absolute().parent)
        except ValueError as error:
            raise _complaint(path, line, f"{name}: {error}") from error
        if key.is_mapping or not (key.flag in given or _is_in_environment(name)):
            settings[name] = flags
    return SettingsFile(path, settings, lines)


def _is_in_environment(name: str) -> bool:
    return any(os.environ.get(variable) for variable in _OVERRULED_BY.get(name, ()))


def _text(path: Path) -> str:
    try:
        # Asked before opening: reading from a pipe may never end.
        if not stat.S_ISREG(path.stat().st_mode) and str(path) != os.devnull:
            raise _complaint(path, 0, "is no regular file: name the file of the agent's settings")
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise _complaint(
            path,
            0,
            f"the agent's settings can't be read ({error.strerror}): name another file with "
            f"--config, or none with --config {os.devnull}",
        ) from error
    if len(raw) > _MAX_BYTES:
        raise _complaint(path, 0, f"larger than {_MAX_BYTES} bytes: that is no file of settings")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _complaint(path, line, "not text in UTF-8") from error


def _parsed(path: Path, text: str) -> Tuple[Dict[str, Any], Mapping[Any, int]]:
    if not text.strip():
        return {}, {}
    # Only here, so that agents without a file don't carry it in their memory.
    if importlib.util.find_spec("yaml") is None:
        raise RequirementMissing(f"{path}: reading it needs the package pyyaml: pip install pyyaml")
    from fedbed import yamlfile

    try:
        data, lines = yamlfile.read(text)
    except yamlfile.YamlError as error:
        raise _complaint(path, error.line, str(error)) from error
    if data is not None and not isinstance(data, dict):
        raise _complaint(
            path, 0, f"given {_shown(data)}; allowed: keys with values, as in 'name: pi-01'"
        )
    return data or {}, lines


def _flags(key: Key, value: Any, folder: Path) -> List[str]:
    """Return a setting as flags, none where it is left empty; ValueError if it won't do."""
    if value is None:
        return []
    if key.is_mapping:
        if not isinstance(value, dict) or any(_word(each) is None for each in value.values()):
            raise ValueError(_not_allowed(key, value))
        return [f"{key.flag}={name}={_word(each)}" for name, each in value.items()]
    word = _word(value)
    if key.action.type is count:
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    elif key.action.choices:
        # YAML has true and false for what our flags call yes and no.
        word = ("yes" if value else "no") if isinstance(value, bool) else word
        fits = word in key.action.choices
    elif key.name == "sample_interval":
        word = str(value)
        fits = isinstance(value, (int, float, str)) and not isinstance(value, bool)
    else:
        fits = isinstance(value, str) and bool(value)
    if not fits:
        raise ValueError(_not_allowed(key, value))
    if key.action.type is Path:
        word = str(folder / str(value))
    return [f"{key.flag}={word}"]


def _word(value: Any) -> Optional[str]:
    """Return a text or a whole number as text, None for anything else."""
    plain = isinstance(value, (int, str)) and not isinstance(value, bool)
    return str(value) if plain else None


def _not_allowed(key: Key, value: Any) -> str:
    near = did_you_mean(str(value), key.action.choices or [])
    return f"given {_shown(value)}; allowed: {key.allowed}{near}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    text = text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 3] + "..."
    return f"'{text}'" if isinstance(value, str) else text


def _complaint(path: Path, line: int, text: str) -> UsageError:
    where = f"{path}:{line}" if line else str(path)
    return UsageError(printable(f"{where}: {text}"))
