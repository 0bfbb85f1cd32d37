"""A mapping from YAML, read strictly: unknown keys, missing ones and wrong types are errors."""

from __future__ import annotations

import difflib
import re
from typing import Any, Dict, List, Type

from fedbed.errors import ExperimentError

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What may become part of a path: no separators, no "..", no leading dot."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Table:
    """A mapping from YAML, taken apart key by key; what is left at the end is an error."""

    def __init__(self, raw: object, where: str) -> None:
        if not isinstance(raw, dict):
            raise ExperimentError(f"{where}: expected a mapping of keys to values")
        self.left: Dict[Any, Any] = dict(raw)
        self.known: List[str] = []
        self.where = where

    def take(self, key: str, kind: Type[Any]) -> Any:
        """Return the value of a key that must be there."""
        self.known.append(key)
        if key not in self.left:
            raise ExperimentError(f"{self.where}: the key {key!r} is missing")
        value = self.left.pop(key)
        self._expect(key, value, kind)
        return value

    def option(self, key: str, kind: Type[Any], default: Any) -> Any:
        """Return the value of a key that may be left out."""
        if key in self.left:
            return self.take(key, kind)
        self.known.append(key)
        return default

    def items(self, key: str, kind: Type[Any], may_be_empty: bool = False) -> List[Any]:
        """Return a list whose entries are all of one kind."""
        values: List[Any] = self.take(key, list)
        if not values and not may_be_empty:
            raise ExperimentError(f"{self.where}: {key} is empty")
        for value in values:
            self._expect(f"{key} (each entry)", value, kind)
        return values

    def safe_name(self, key: str) -> str:
        """Return a text that may become part of a path."""
        value: str = self.take(key, str)
        if not SAFE_NAME.fullmatch(value):
            raise ExperimentError(f"{self.where}: {key} {value!r} can't be a file's name")
        return value

    def sha256(self) -> str:
        """Return the value of the key `sha256`."""
        value: str = self.take("sha256", str)
        if not _SHA256.fullmatch(value):
            raise ExperimentError(f"{self.where}: sha256 {value!r} is not 64 lower-case hex digits")
        return value

    def done(self) -> None:
        """Refuse what is left."""
        for key in self.left:
            close = difflib.get_close_matches(str(key), self.known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            allowed = ", ".join(self.known)
            raise ExperimentError(f"{self.where}: unknown key {key!r}{hint} (allowed: {allowed})")

    def _expect(self, key: str, value: object, kind: Type[Any]) -> None:
        wrong = not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        if wrong or (kind is int and isinstance(value, int) and value < 0):
            wanted = {
                str: "a text",
                int: "a whole number, 0 or more",
                list: "a list",
                bool: "true or false",
            }
            raise ExperimentError(
                f"{self.where}: {key} is {value!r}, expected {wanted.get(kind, 'a mapping')}"
            )
