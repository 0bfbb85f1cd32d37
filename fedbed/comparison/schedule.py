"""How long a comparison still takes, judged by what is done. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from fedbed.units import format_duration


def seconds_left(
    done: Mapping[str, Sequence[float]],
    waiting: Sequence[str],
    current: str = "",
    elapsed_s: float = 0.0,
    current_left_s: float | None = None,
) -> float | None:
    """Estimate what is left; None while there is nothing to judge by.

    done: seconds that the cells of each variant took. waiting: the variant of each cell that has
    not begun. current: the variant of the one under way, which began `elapsed_s` ago;
    current_left_s: what its run says itself, which counts more.

    A variant takes what its own cells took; one that has none, what the others' took.
    """
    known = {name: statistics.fmean(seconds) for name, seconds in done.items() if seconds}
    if current and current_left_s is not None:
        known.setdefault(current, elapsed_s + current_left_s)
    if not known:
        return None
    usual = statistics.fmean(known.values())
    left = sum(known.get(name, usual) for name in waiting)
    if current:
        mine = known.get(current, usual) - elapsed_s
        left += max(0.0, mine if current_left_s is None else current_left_s)
    return left


def line(number: int, total: int, title: str, elapsed_s: float, left_s: float | None) -> str:
    """Say where a comparison is: 'cell 3 of 12: 10 nodes, seed 2 (41 s, about 3 min left)'."""
    words = format_duration(float(round(elapsed_s)))
    if left_s is not None:
        words += f", about {format_duration(float(round(left_s)))} left"
    return f"cell {number} of {total}: {title} ({words})"
