"""Arguments of tasks: what an experiment file may say, checked before anything is imported."""

from __future__ import annotations

import difflib
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple, Union

from fedbed.errors import ExperimentError


class Choice(NamedTuple):
    """An argument that is one of several words; `meaning` is one sentence."""

    default: str
    options: Tuple[str, ...]
    meaning: str

    @property
    def allowed(self) -> str:
        """Say what may be given."""
        return " | ".join(self.options)

    def takes(self, value: object) -> bool:
        """Whether `value` may be given."""
        return isinstance(value, str) and value in self.options


class Whole(NamedTuple):
    """An argument that is a whole number from `least` to `most`.

    default: None where the number isn't known before the run (`of` says what it is taken from).
    """

    default: Optional[int]
    least: int
    most: int
    meaning: str
    of: str = ""

    @property
    def allowed(self) -> str:
        """Say what may be given."""
        number = f"a whole number from {self.least} to {self.most}"
        return f"{number}, or null: {self.of}" if self.default is None else number

    def takes(self, value: object) -> bool:
        """Whether `value` may be given."""
        if value is None:
            return self.default is None
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and isinstance(value, int) and self.least <= value <= self.most


Argument = Union[Choice, Whole]


class ArgumentError(ExperimentError):
    """An argument `key` that a task doesn't have, or a value that it doesn't take."""

    def __init__(self, text: str, task: str = "", key: str = "") -> None:
        super().__init__(f"task '{task}': argument '{key}': {text}" if key else text)
        self.key = key
        self.text = text


def complete(
    task: str, declared: Mapping[str, Argument], given: Mapping[str, Any]
) -> Dict[str, Any]:
    """Return the value of every declared argument: what is given, else its default.

    Raises ArgumentError for an argument that isn't declared and a value that isn't allowed.
    """
    for key, value in given.items():
        if key not in declared:
            raise ArgumentError(_unknown(task, str(key), declared), task, str(key))
        if not declared[key].takes(value):
            shown = repr(value)[:60]
            raise ArgumentError(f"given {shown}; allowed: {declared[key].allowed}", task, key)
    return {key: given.get(key, argument.default) for key, argument in declared.items()}


def _unknown(task: str, key: str, declared: Mapping[str, Argument]) -> str:
    if not declared:
        return f"task '{task}' takes no arguments"
    near = difflib.get_close_matches(key, list(declared), n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return f"task '{task}' has no such argument{hint}; allowed: {', '.join(declared)}"
