"""Words for what a key may hold, from the schema itself; error messages and docs share them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Dict, Hashable, List, Sequence, Tuple, Type

from fedbed.experiment.base import Section

Model = Type[Section]


@lru_cache(maxsize=4)
def _document(model: Model) -> Dict[str, Any]:
    return model.model_json_schema()


def _resolved(schema: Dict[str, Any], model: Model) -> Dict[str, Any]:
    if "$ref" in schema:
        target = _document(model)["$defs"][schema["$ref"].rpartition("/")[2]]
        return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def schema_at(path: Sequence[Hashable], model: Model) -> Dict[str, Any] | None:
    """Find the JSON schema of a key, or None where the model of the file names no such key."""
    schema = _document(model)
    for part in path:
        if isinstance(part, int):
            below = schema.get("items")
        else:
            below = schema.get("properties", {}).get(part)
            extra = schema.get("additionalProperties")
            if below is None and isinstance(extra, dict):
                below = extra
        if below is None:
            return None
        schema = _resolved(below, model)
    return schema


def keys_at(path: Sequence[Hashable], model: Model) -> List[str]:
    """List the keys of a section in the schema's order."""
    return list((schema_at(path, model) or {}).get("properties", {}))


def homes(key: str, model: Model) -> List[Tuple[str, ...]]:
    """Find the sections that have this key, to help one that stands in the wrong place."""
    found: List[Tuple[str, ...]] = []

    def walk(path: Tuple[str, ...]) -> None:
        keys = keys_at(path, model)
        if key in keys:
            found.append(path)
        for child in keys:
            walk((*path, child))

    walk(())
    return found


def is_section(path: Sequence[Hashable], model: Model) -> bool:
    """Tell whether a key holds further keys of the schema."""
    return bool(keys_at(path, model))


def allowed(schema: Dict[str, Any], model: Model) -> str:
    """Say in a few words what a value may be; `model` resolves the schema's references."""
    if "allowed" in schema:
        return str(schema["allowed"])
    if "anyOf" in schema:
        return " or ".join(allowed(_resolved(option, model), model) for option in schema["anyOf"])
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return _number(schema, kind == "integer")
    if kind == "array":
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        size = f" of {least} to {most}" if most else ""
        items = allowed(_resolved(schema.get("items", {}), model), model)
        return f"a list{size}, each {items}"
    if kind == "object":
        return "a mapping of keys to values"
    return {"string": "text", "boolean": "true or false", "null": "null"}.get(
        str(kind), "any value"
    )


def _number(schema: Dict[str, Any], whole: bool) -> str:
    noun = "a whole number" if whole else "a number"
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if whole and below is not None:
        high, below = below - 1, None
    if low is not None and high is not None:
        return f"{noun} from {low:g} to {high:g}" if not whole else f"{noun} from {low} to {high}"
    words = []
    if above is not None:
        words.append(f"above {above:g}")
    if low is not None:
        words.append(f"of {low} or more" if below is None else f"from {low:g}")
    if below is not None:
        words.append(f"below {below:g}")
    if high is not None:
        words.append(f"at most {high:g}")
    return " ".join([noun, " and ".join(words)]).replace(" and below", " to below").strip()


def given(value: object) -> str:
    """Show a value that is wrong, with its kind, on one line and not too long."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return f"{str(value).lower()} (boolean)"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    shown = repr(value)
    if len(shown) > 60:
        shown = shown[:57] + "..."
    if isinstance(value, str):
        return f"{shown} (text)"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{shown} (not finite)"
    return f"{shown} (number)"
