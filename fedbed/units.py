"""Durations, sizes and counts as people write and read them: '1h30m', '44.7 MB', '4 nodes'.

Standard library only and Python 3.8: nodes import this module.
"""

from __future__ import annotations

import math
import re
from typing import Sequence, Union

# From large to small: a duration names its units in this order, each at most once.
_SECONDS = (("w", 604800.0), ("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001))
_SPELLINGS = {
    "w": ("w", "week", "weeks"),
    "d": ("d", "day", "days"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "ms": ("ms", "millisecond", "milliseconds"),
}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?"
_DURATION = re.compile(
    r"\s*"
    + "".join(
        r"(?:({})\s*(?:{})(?![a-z])\s*)?".format(_NUMBER, "|".join(_SPELLINGS[unit]))
        for unit, _ in _SECONDS
    )
)
_BARE = re.compile(rf"\s*({_NUMBER})\s*")


def parse_duration(text: Union[str, float]) -> float:
    """Read '30s', '5 minutes', '1h30m', '250 ms' or a plain number of seconds, as seconds.

    Units go from large to small, each at most once, in lower case.

    Raises:
        ValueError: anything else, a negative or an endless duration; the message is one line.
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return _finite(text, text)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(_complaint(text))
    bare = _BARE.fullmatch(text)
    if bare:
        return _finite(float(bare.group(1)), text)
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(_complaint(text))
    total = 0.0
    for given, (_, seconds) in zip(match.groups(), _SECONDS):
        if given is not None:
            total += float(given) * seconds
    return _finite(total, text)


def _finite(seconds: float, given: object) -> float:
    try:
        seconds = float(seconds)
    except OverflowError:  # a whole number beyond what a float holds
        seconds = math.inf
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(_complaint(given))
    return seconds + 0.0  # turns -0.0 into 0.0


def _complaint(given: object) -> str:
    shown = repr(given)
    if len(shown) > 60:
        shown = shown[:57] + "..."
    return (
        f"{shown} is no duration; write for example '30s', '5 minutes', '1h30m' "
        "or a number of seconds"
    )


def write_duration(seconds: float) -> str:
    """Write a duration for a file: '1h30m', '0.25s'; `parse_duration` gives the same back."""
    if seconds != int(seconds):
        return f"{seconds!r}s"
    rest = int(seconds)
    parts = []
    for unit, size in (("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def format_duration(seconds: float) -> str:
    """Show a duration to a person, in its two largest units: '350 ms', '41 s', '1 min 20 s'."""
    if math.isnan(seconds):
        return "unknown"
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if math.isinf(seconds):
        return "for ever"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds else "0 s"
    if seconds < 9.95:
        return f"{round(seconds, 1):g} s"
    whole = round(seconds)
    for (large, size), (small, unit) in zip(
        (("d", 86400), ("h", 3600), ("min", 60)), (("h", 3600), ("min", 60), ("s", 1))
    ):
        # Rounded first, so that no line ever reads '1 min 60 s' or '24 h'.
        rounded = (whole + unit // 2) // unit * unit
        if rounded >= size:
            head = f"{rounded // size} {large}"
            tail = rounded % size // unit
            return f"{head} {tail} {small}" if tail else head
    return f"{whole} s"


def format_bytes(n: int) -> str:
    """Show a number of bytes to a person in decimal units: '812 B', '4.1 kB', '44.7 MB'."""
    if n < 0:
        return "-" + format_bytes(-n)
    if n < 1000:
        return f"{n} B"
    value = float(n)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.95:  # above, it would be shown as '1000.0'
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} PB"


def format_count(number: int, noun: str) -> str:
    """Write a number of things: '1 node', '4 nodes'."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def format_names(names: Sequence[str], most: int) -> str:
    """Write names, of which `most` are told and the others counted: 'pi-1, pi-2 and 7 more'."""
    shown, more = ", ".join(names[:most]), len(names) - most
    return f"{shown} and {more} more" if more > 0 else shown
