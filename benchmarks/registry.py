"""The measurements by name, and which of them a command line means."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from benchmarks.rows import Row
from fedbed.errors import UsageError


@dataclass(frozen=True)
class Measurement:
    """One entry: `function` of the module `benchmarks.<module>` maps `quick` to rows.

    quick_s, full_s: about how long it takes on two cores, for the estimate of the time left.
    by_name: a quick call leaves it out unless it is named.
    """

    name: str
    module: str
    quick_s: float
    full_s: float
    function: str = "measure"
    by_name: bool = False

    def seconds(self, quick: bool) -> float:
        """About how long it takes."""
        return self.quick_s if quick else self.full_s

    def run(self, quick: bool) -> list[Row]:
        """Measure; whatever the measurement raises comes through."""
        module = importlib.import_module(f"benchmarks.{self.module}")
        return cast("list[Row]", getattr(module, self.function)(quick))


MEASUREMENTS = (
    Measurement("idle", "idle", 22, 75),
    Measurement("monitoring", "monitoring", 60, 260, by_name=True),
    Measurement("rounds", "rounds", 64, 280),
    Measurement("overhead", "rounds", 7, 14, "overhead"),
    Measurement("contact", "contact", 12, 45),
    Measurement("transfer", "transfer", 22, 60),
    Measurement("averaging", "averaging", 9, 20),
    Measurement("fleet", "fleet", 15, 70),
    Measurement("accuracy", "accuracy", 60, 400, by_name=True),
)


def choose(
    words: Sequence[str], quick: bool, measurements: Sequence[Measurement] = MEASUREMENTS
) -> list[Measurement]:
    """Return the measurements whose names begin with one of `words`.

    Without any, all of them, but for those that a quick call leaves out.
    Raises UsageError for a word that begins none.
    """
    names = [one.name for one in measurements]
    for word in words:
        if not any(name.startswith(word) for name in names):
            near = difflib.get_close_matches(word, names, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise UsageError(f"no measurement '{word}'{hint} (there are: {', '.join(names)})")
    if not words:
        return [one for one in measurements if not (quick and one.by_name)]
    return [one for one in measurements if one.name.startswith(tuple(words))]
