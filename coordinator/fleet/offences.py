"""Which refusals are a node's offence, and when a node is set aside for them. Pure.

Whatever is refused stands in the node's record; an offence is what an honest node doesn't do.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedbed.units import format_count

MAX_OFFENCES = 3
"""After so many a node is set aside, unless the coordinator is told otherwise."""
KINDS = {
    "shape": "arrays of other names, shapes or order than the model's",
    "dtype": "arrays of another dtype than the model's",
    "not-finite": "NaN or infinity in an update",
    "too-large": "more bytes than were announced or are permitted",
    "norm": "an update many times as long as the others of its round",
    "samples": "a number of samples that can't be right",
    "metrics": "NaN or infinity among the metrics",
    "malformed": "bytes that are no result as agents write it",
    "unasked": "a result that the node was never asked for",
    "wrong-item": "a result that says that it answers another item",
    "wrong-reference": "a difference to another model than was sent",
}
"""Offences by their kind."""

HONEST = {
    "late": "its round had closed",
    "duplicate": "another result of the same item was there already",
    "damaged": "its bytes were damaged on their way",
    "memory": "the coordinator had no memory for it",
}
"""What is refused too, through no fault of the node's."""

_FOR_GOOD = frozenset({"shape", "dtype", "too-large", "malformed"})
_OF_THE_APP = frozenset(KINDS) - {"malformed", "unasked", "wrong-item", "wrong-reference"}
"""What a Flower app may cause, which is the operator's own code; the rest is the agent's work."""
_SHARED = frozenset({"not-finite", "metrics"})


@dataclass(frozen=True)
class Refusal:
    """Something that a node sent and that was refused; `text` says why. `node` is its id.

    asked_for: whether the experiment had asked the node to send such (`adversaries`).
    """

    node: str
    run: str
    item: str
    kind: str
    text: str
    asked_for: bool = False


def is_offence(kind: str, of_task: bool = True) -> bool:
    """Whether a refusal of this kind is the node's offence.

    of_task: whether the item was one of a native task, whose every computation is ours.
    """
    return kind in KINDS and (of_task or kind not in _OF_THE_APP)


def mends(kind: str) -> bool:
    """Whether training once more may give something better."""
    return kind not in _FOR_GOOD


def may_be_shared(kind: str) -> bool:
    """Whether honest nodes do it too, all together: when the training itself diverges."""
    return kind in _SHARED


def is_shared(culprits: int, asked: int) -> bool:
    """Whether so many of the nodes asked did it that the experiment is to blame."""
    return 2 * culprits > asked


def sets_aside(offences: int, most: int) -> bool:
    """Whether a node with so many offences gets no more work; `most` of 0: never."""
    return 0 < most <= offences


def counted(offences: int, most: int) -> str:
    """Say the how-manieth offence it is: 'offence 2 of 3'."""
    return f"offence {offences} of {most}" if most > 0 else f"offence {offences}"


def reason(offences: int, text: str) -> str:
    """Say why a node is set aside; `text` is about the latest offence."""
    times = format_count(offences, "offence")
    return f"set aside after {times}: {text}"
