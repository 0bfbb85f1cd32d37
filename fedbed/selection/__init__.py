"""Whom a round asks: each way to choose is one file with a pure decision.

`build` makes one from the experiment file's `federation.selection`; docs/selection.md has them all.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from fedbed.errors import ExperimentError
from fedbed.experiment.base import hint
from fedbed.experiment.complaints import complaints
from fedbed.selection.base import Selection
from fedbed.selection.chance import Random
from fedbed.selection.everybody import All
from fedbed.selection.facts import Candidate, Choice, Part, Situation
from fedbed.selection.fedcs import FedCS
from fedbed.selection.label import Label
from fedbed.selection.oort import Oort
from fedbed.selection.tiers import Tiers

OF_STRATEGY = "strategy"
"""Names no selection: the strategy chooses, as Flower's do."""
SELECTIONS: dict[str, type[Selection]] = {
    "all": All,
    "random": Random,
    "label": Label,
    "fedcs": FedCS,
    "oort": Oort,
    "tiers": Tiers,
}

__all__ = [
    "OF_STRATEGY",
    "SELECTIONS",
    "Candidate",
    "Choice",
    "Part",
    "Selection",
    "Situation",
    "build",
]


def build(name: str, args: Mapping[str, object]) -> Selection | None:
    """Make a selection; None where the choice is the strategy's.

    Raises:
        ExperimentError: unknown name or argument, a missing one, or a value that isn't allowed.
    """
    names = [OF_STRATEGY, *SELECTIONS]
    if name not in names:
        raise ExperimentError(
            f"unknown selection {name!r}{hint(name, names)}; allowed: {', '.join(names)}"
        )
    kind = SELECTIONS.get(name)
    if args and (kind is None or not kind.model_fields):
        raise ExperimentError(f"selection {name!r} takes no arguments")
    if kind is None:
        return None
    try:
        return kind.model_validate(dict(args))
    except ValidationError as error:
        wrong = "; also: ".join(each.text for each in complaints(error, {}, kind))
        raise ExperimentError(f"selection {name!r}: {wrong}") from None
