"""A point of a measurement, and InfluxDB's line protocol for it.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Dict, Mapping, Union

Value = Union[float, int, bool, str]

_IN_NAMES = {ord(","): "\\,", ord(" "): "\\ "}
_IN_KEYS = {**_IN_NAMES, ord("="): "\\="}
_IN_TEXT = {ord("\\"): "\\\\", ord('"'): '\\"'}
_CONTROL = dict.fromkeys([*range(32), 127], " ")


@dataclass(frozen=True)
class Point:
    """Values of one moment. at_ns: nanoseconds since 1970, by the coordinator's clock."""

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, Value]
    at_ns: int

    def line(self) -> str:
        """Return the point as one line, without its end; empty if no field has a number to show.

        Tags without a value are left out, as the protocol wants, and so are fields that are no
        number: NaN and infinity. Control characters become spaces: a line is one line.
        """
        tags = "".join(
            f",{_key(name)}={_key(value)}" for name, value in sorted(self.tags.items()) if value
        )
        fields = ",".join(
            f"{_key(name)}={_value(value)}"
            for name, value in self.fields.items()
            if not (isinstance(value, float) and not math.isfinite(value))
        )
        if not fields:
            return ""
        return f"{_clean(self.measurement).translate(_IN_NAMES)}{tags} {fields} {self.at_ns}"


@dataclass
class Sample:
    """What a probe has read: a measurement's tags and fields, without the node and the time."""

    measurement: str
    fields: Dict[str, Value]
    tags: Dict[str, str] = field(default_factory=dict)


def _key(text: str) -> str:
    # A backslash at the end would escape what follows.
    return _clean(text).rstrip("\\").translate(_IN_KEYS)


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, float):
        return repr(value)
    return f'"{_clean(value).translate(_IN_TEXT)}"'


def _clean(text: str) -> str:
    return text.translate(_CONTROL)
