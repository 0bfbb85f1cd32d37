"""What disturbed a run's rounds, told in as few lines as it takes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedbed.units import format_names

_MOST_NAMED = 4
"""So many nodes, and spans of rounds, are named in a line."""


def told(history: Sequence[Mapping[str, Any]], names: Mapping[int, str]) -> list[str]:
    """Return a line for each thing that befell rounds, in the order in which they came.

    history: the rounds as a run's result describes them. names: the nodes' by partition. What
    befell the same nodes in many rounds, as a straggler's lateness, is one line.
    """
    found: dict[tuple[str, tuple[str, ...], str], _Found] = {}
    for entry in history:
        for kind, who, why in _events(entry, names):
            # In a run that converges it is one node here and another there: all are one line.
            apart = () if kind == "bounded" else who
            found.setdefault((kind, apart, why), _Found()).note(who, int(entry["round"]))
    return [
        _line(kind, tuple(those.who), why, those.rounds) for (kind, _, why), those in found.items()
    ]


@dataclass
class _Found:
    """Whom something befell, and in which rounds, in the order in which it came."""

    who: dict[str, None] = field(default_factory=dict)
    rounds: list[int] = field(default_factory=list)

    def note(self, who: Sequence[str], number: int) -> None:
        self.who.update(dict.fromkeys(who))
        if number not in self.rounds[-1:]:
            self.rounds.append(number)


def _events(
    entry: Mapping[str, Any], names: Mapping[int, str]
) -> Iterable[tuple[str, tuple[str, ...], str]]:
    def name(partition: int | str) -> str:
        return names.get(int(partition), f"partition {partition}")

    absent: dict[str, list[str]] = {}
    for partition, why in entry["missing"].items():
        absent.setdefault(why, []).append(name(partition))
    for why, who in absent.items():
        yield "missing", tuple(who), why
    for partition, why in entry.get("bounded", {}).items():
        # Its figures, which follow the colon, are others in each round.
        yield "bounded", (name(partition),), why.partition(": ")[0]
    # A node may try several times in one round.
    for partition, why in dict.fromkeys(map(tuple, entry.get("retried", []))):
        yield "retried", (name(partition),), why
    if entry.get("model_kept"):
        yield "kept", (), f"{entry['participants']} updates"


def _line(kind: str, who: Sequence[str], why: str, numbers: Sequence[int]) -> str:
    when, named = _rounds(numbers), format_names(who, _MOST_NAMED)
    if kind == "bounded":
        return f"{when}: {named} {'was' if len(who) == 1 else 'were'} bounded: {why}"
    if kind == "retried":
        return f"{when}: {named} had to try again: {why}"
    if kind == "kept":
        its = "its model" if len(numbers) == 1 else "their model"
        return f"{when} kept {its}: no new one came of {why}"
    before, refused, reason = why.partition("refused: ")
    if refused and not before:
        updates = "update was" if len(who) == 1 else "updates were"
        return f"{named}'s {updates} refused in {when}: {reason}"
    return f"{when} went without {named}: {why}"


def _rounds(numbers: Sequence[int]) -> str:
    """Name rounds, in ascending order: "round 3", "rounds 2-9, 11 and 13"."""
    if len(numbers) == 1:
        return f"round {numbers[0]}"
    spans: list[tuple[int, int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    shown = [str(a) if a == b else f"{a}-{b}" for a, b in spans[:_MOST_NAMED]]
    rest = sum(b - a + 1 for a, b in spans[_MOST_NAMED:])
    if rest:
        return f"rounds {', '.join(shown)} and {rest} more"
    last = shown.pop()
    return f"rounds {', '.join(shown)} and {last}" if shown else f"rounds {last}"
