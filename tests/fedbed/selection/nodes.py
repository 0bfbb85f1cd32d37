"""Candidates for the tests of selections, and many rounds of one in a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fedbed.selection import Candidate, Part, Selection, Situation


def part(number: int, seconds: float, loss: float | None = 1.0) -> Part:
    """A part that came."""
    return Part(number, True, seconds=seconds, download_s=0.0, upload_s=0.0, loss=loss)


def late(number: int, seconds: float) -> Part:
    """A part that was late when its round closed."""
    return Part(number, False, late=True, seconds=seconds)


def node(partition: int, *parts: Part, **more: Any) -> Candidate:
    return Candidate(partition, f"node-{partition + 1}", parts=parts, **more)


def situation(*candidates: Candidate, **more: Any) -> Situation:
    return Situation(**{"round": 1, "rounds": 100, "candidates": candidates, "seed": 1, **more})


def play(
    selection: Selection,
    seconds: list[float],
    rounds: int,
    share: float,
    loss: Callable[[int, int], float] = lambda _partition, _round: 1.0,
) -> list[tuple[int, ...]]:
    """Let a selection choose for many rounds among nodes that take so long; returns its choices."""
    nodes = [node(p, samples=100) for p in range(len(seconds))]
    notes: dict[int, Any] = {}
    asked = []
    for number in range(1, rounds + 1):
        asks = situation(*nodes, round=number, rounds=rounds, share=share, notes=dict(notes))
        choice = selection.choose(asks)
        assert choice == selection.choose(asks)
        notes[number] = choice.note
        asked.append(choice.partitions)
        for p in choice.partitions:
            done = part(number, seconds[p], loss(p, number))
            nodes[p] = replace(nodes[p], parts=(*nodes[p].parts, done))
    return asked
