"""Metric and config records as JSON, exactly: bytes, NaN and infinities survive the way.

Values are what Flower's records hold: int, float, str, bool, bytes, and lists of those.
JSON has neither bytes nor non-finite numbers; they travel as {"bytes": base64} and
{"float": "nan" | "inf" | "-inf"}. Finite floats are exact, because repr() round-trips.
"""

from __future__ import annotations

import base64
import math
from typing import Any, Dict, Mapping

from fedbed.errors import PayloadError


def pack(values: Mapping[str, Any]) -> Dict[str, Any]:
    """Return `values` as JSON-ready data; TypeError for a value that no record may hold."""
    return {str(key): _pack(value) for key, value in values.items()}


def unpack(values: Mapping[str, Any]) -> Dict[str, Any]:
    """Undo `pack`; PayloadError for anything that `pack` could not have made."""
    return {str(key): _unpack(value) for key, value in values.items()}


def _pack(value: Any) -> Any:
    if isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": float.__repr__(value)}
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, (list, tuple)):
        return [_pack(item) for item in value]
    raise TypeError(f"a record can't hold a {type(value).__name__}")


def _unpack(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpack(item) for item in value]
    if isinstance(value, dict):
        if set(value) == {"float"} and value["float"] in ("nan", "inf", "-inf"):
            return float(value["float"])
        if set(value) == {"bytes"} and isinstance(value["bytes"], str):
            try:
                return base64.b64decode(value["bytes"], validate=True)
            except ValueError as error:  # binascii.Error, or characters beyond ASCII
                raise PayloadError("a record's bytes are no valid base64") from error
        raise PayloadError("a record holds an object that is neither bytes nor a float")
    if value is None:
        raise PayloadError("a record holds null")
    return value
