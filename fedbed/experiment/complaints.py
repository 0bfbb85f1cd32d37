"""Validation errors in one line: where, which key, what was given and what is allowed."""

from __future__ import annotations

import re
from typing import Any, List, Mapping, Sequence, Tuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fedbed.experiment import describe
from fedbed.experiment.base import near_match
from fedbed.yamlfile import Lines, Path, dotted

_MAX_CHARS = 500
_MAX_CHARS_OF_OTHERS = 200
_MOST_OTHERS = 9


class Complaint:
    """One thing that is wrong with a file."""

    def __init__(self, path: Path, text: str, line: int) -> None:
        self.path = path
        self.text = text
        self.line = line


def complaints(error: ValidationError, lines: Lines, model: describe.Model) -> List[Complaint]:
    """List what is wrong with a file of this model, in its order; what is missing comes last."""
    found = []
    for detail in error.errors(include_url=False):
        path = _path(detail)
        found.append(Complaint(path, _text(path, detail, model), _line(path, lines)))
    return sorted(found, key=lambda each: each.line or 10**9)


def one_line(origin: str, line: int, text: str, others: Sequence[Complaint] = ()) -> str:
    """Join the parts of a message; control characters and length can't break a log line.

    others: what else is wrong, so that all of it can be mended at once.
    """
    origin, text = _tame(origin), _tame(text)
    where = f"{origin}:{line}" if line else origin
    parts = [f"{where}: {text}"]
    for other in others[:_MOST_OTHERS]:
        place = f"line {other.line}: " if other.line else ""
        parts.append(f"{place}{_tame(other.text, _MAX_CHARS_OF_OTHERS)}")
    left = len(others) - _MOST_OTHERS
    more = f"; and {left} more problem{'s' if left > 1 else ''}" if left > 0 else ""
    return "; also: ".join(parts) + more


def _tame(text: str, most: int = _MAX_CHARS) -> str:
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")  # lone surrogates can't print
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)
    return text if len(text) <= most else text[: most - 3] + "..."


def _path(detail: ErrorDetails) -> Path:
    """Take pydantic's location, and the key that a check of ours names below it."""
    path: Tuple[Any, ...] = tuple(detail["loc"])
    key = _own(detail).get("key", "")
    return (*path, *key.split(".")) if key else path


def _own(detail: ErrorDetails) -> Mapping[str, str]:
    return detail.get("ctx", {}) if detail["type"] == "fedbed" else {}


def _text(path: Path, detail: ErrorDetails, model: describe.Model) -> str:
    name = dotted(path) or f"the {model.__name__.lower()}"
    own = _own(detail).get("text")
    if own is not None:
        return f"{name}: {own}"
    if detail["type"] == "extra_forbidden":
        return _unknown(path, model)
    schema: Mapping[str, Any] | None = describe.schema_at(path, model)
    wanted = describe.allowed(dict(schema), model) if schema is not None else detail["msg"]
    if detail["type"] == "missing":
        return f"{name}: missing; wanted: {wanted}"
    return f"{name}: given {describe.given(detail['input'])}; allowed: {wanted}"


def _unknown(path: Path, model: describe.Model) -> str:
    *parent, key = path
    keys = describe.keys_at(parent, model)
    text = f"unknown key {dotted(path)[:120]!r}"
    homes = describe.homes(str(key), model)
    if len(homes) == 1:
        place = f"under {dotted(homes[0])!r}" if homes[0] else "at the top"
        return f"{text}; it belongs {place}"
    near = near_match(key, keys)
    if near:
        return f"{text}; did you mean {near!r}?"
    return f"{text}; allowed: {', '.join(keys)}"


def _line(path: Path, lines: Lines) -> int:
    """Find the line of a key, or of the nearest thing around it that the file does have."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0) if path else 0
