"""When a fault strikes: the words of a scenario's `at`, and the moments that they stand for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fedbed.units import format_duration, parse_duration

CALLS = ("fsync", "fdatasync", "rename", "unlink", "pwrite64", "write", "openat")
"""System calls that a moment may name: those by which files become what they are."""
DRAWN_CALLS = ("fsync", "fdatasync", "rename", "unlink", "pwrite64")
"""Those among which a random one is drawn; the others are too many, and seldom matter."""
ALLOWED = (
    "'random', 'random call', 'round 2', seconds after the submission such as '1.5s', "
    "or a system call such as 'fsync 3'"
)
_ROUND = re.compile(r"round ([1-9][0-9]{0,5})")
_CALL = re.compile(rf"({'|'.join(CALLS)}) ([1-9][0-9]{{0,5}})")


@dataclass(frozen=True)
class AtSeconds:
    """So long after the run was submitted."""

    seconds: float

    def __str__(self) -> str:
        return f"at {format_duration(self.seconds)}"


@dataclass(frozen=True)
class AtRound:
    """Once a node trains in this round."""

    number: int

    def __str__(self) -> str:
        return f"in round {self.number}"


@dataclass(frozen=True)
class AtCall:
    """As one of the victim's threads begins its `number`th system call of this name.

    Counted from the beginning of the first round. The call itself isn't carried out: a
    file is written and not renamed, renamed and not synced.
    """

    call: str
    number: int

    def __str__(self) -> str:
        return f"at {self.call} {self.number}"


@dataclass(frozen=True)
class Drawn:
    """Drawn by the plan: anywhere in the run, or at any of the victim's calls."""

    of_calls: bool


Moment = AtSeconds | AtRound | AtCall


def parse(text: str) -> Moment | Drawn:
    """Read a moment; ValueError for what is none."""
    words = " ".join(text.split())
    if words in ("random", "random call"):
        return Drawn(words == "random call")
    if found := _ROUND.fullmatch(words):
        return AtRound(int(found[1]))
    if found := _CALL.fullmatch(words):
        return AtCall(found[1], int(found[2]))
    return AtSeconds(parse_duration(words))
