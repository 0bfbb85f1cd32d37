"""What the head of a node's answer must look like, so that no answer can break a run. Pure.

The run's process reads it without further ado; whatever isn't as described here ends at the door.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fedbed.codec.spec import show
from fedbed.errors import PayloadError
from fedbed.link import records

NEEDED_TIMES = ("work_s", "bytes_down")
_NUMBERS = (int, float)
_SCALARS = (int, float, str, bytes, bool)


def check(meta: dict[str, Any], payloads: Collection[str]) -> None:
    """Raise PayloadError unless `meta` describes records and a timeline; `payloads` are names."""
    _check_timeline(meta.get("timeline"))
    listed = meta.get("records")
    if not isinstance(listed, list):
        raise PayloadError("the result has no list of records")
    seen: set[str] = set()
    for record in listed:
        name = record.get("name") if isinstance(record, dict) else None
        if not isinstance(name, str) or name in seen:
            raise PayloadError("the result has a record without a name of its own")
        seen.add(name)
        _check_record(name, record, payloads)
    used = [str(r["payload"]) for r in listed if r["kind"] == "arrays"]
    if sorted(used) != sorted(payloads):
        raise PayloadError("the result's payloads are not those that its records name")


def _check_timeline(timeline: object) -> None:
    if not isinstance(timeline, dict):
        raise PayloadError("the result has no timeline")
    for name, value in timeline.items():
        if type(value) not in _NUMBERS or value < 0:
            raise PayloadError(f"the result's timeline says {show(name)}={show(value)}")
    missing = [name for name in NEEDED_TIMES if name not in timeline]
    if missing:
        raise PayloadError(f"the result's timeline lacks {missing[0]}")


def _check_record(name: str, record: dict[str, Any], payloads: Collection[str]) -> None:
    kind = record.get("kind")
    if kind == "arrays":
        if record.get("payload") not in payloads:
            raise PayloadError(f"the result's record {show(name)} has no payload")
        return
    values = record.get("values")
    if kind not in ("metrics", "config") or not isinstance(values, dict):
        raise PayloadError(f"the result's record {show(name)} is no arrays, metrics or config")
    allowed = _NUMBERS if kind == "metrics" else _SCALARS
    for key, value in records.unpack(values).items():
        kinds = {type(item) for item in value} if isinstance(value, list) else {type(value)}
        # A list holds items of one type, as in Flower's own records.
        if len(kinds) > 1 or not kinds.issubset(allowed):
            raise PayloadError(f"the result's record {show(name)} can't hold that for {show(key)}")
