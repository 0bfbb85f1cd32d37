"""What the sections of the experiment file are made of: their base class and their own types."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from fedbed.units import parse_duration, write_duration

# Timers in the standard library overflow at absurd values; nobody waits for more than a year.
LONGEST_S = 365 * 86400.0


class Section(BaseModel):
    """A part of the file: unknown keys are errors, types are strict, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Name = Annotated[str, Field(min_length=1, max_length=200)]

# A float of seconds in Python; '30s' in files and in JSON, so that a stored file explains itself.
_written = PlainSerializer(write_duration, return_type=str, when_used="json")

PositiveDuration = Annotated[
    float,
    Field(gt=0, le=LONGEST_S),
    BeforeValidator(parse_duration),
    _written,
    WithJsonSchema(
        {"type": "string", "allowed": "a duration above 0 such as '30s', '5 minutes' or '1h30m'"}
    ),
]
Duration = Annotated[
    float,
    Field(ge=0, le=LONGEST_S),
    BeforeValidator(parse_duration),
    _written,
    WithJsonSchema(
        {"type": "string", "allowed": "a duration such as '0s', '30s', '5 minutes' or '1h30m'"}
    ),
]


ALL_SAMPLES = 2**31 - 1
"""A batch size that no node's samples exceed: all of them in one step, written 'all'."""
_MOST_IN_A_BATCH = 1_000_000


def _batch_size(given: object) -> object:
    if given == "all":
        return ALL_SAMPLES
    if isinstance(given, int) and not 1 <= given <= _MOST_IN_A_BATCH:
        raise ValueError("out of range")
    return given


BatchSize = Annotated[
    int,
    BeforeValidator(_batch_size),
    PlainSerializer(lambda size: "all" if size == ALL_SAMPLES else size, when_used="json"),
    WithJsonSchema(
        {"type": "integer", "allowed": f"a whole number from 1 to {_MOST_IN_A_BATCH}, or all"}
    ),
]


def problem(key: str, text: str) -> PydanticCustomError:
    """Make an error of a check that pydantic can't express; `key` is relative to the section."""
    return PydanticCustomError("fedbed", "{text}", {"key": key, "text": text})


def hint(given: object, known: Any) -> str:
    """Return " (did you mean 'x'?)", or nothing where no known name is near."""
    near = near_match(given, known)
    return f" (did you mean {near!r}?)" if near else ""


def near_match(given: object, known: Any) -> str | None:
    """Find the known name that was probably meant, whatever its case."""
    from difflib import get_close_matches

    names = {str(name).lower(): str(name) for name in known}
    close = get_close_matches(str(given)[:200].lower(), list(names), n=1, cutoff=0.6)
    return names[close[0]] if close else None
