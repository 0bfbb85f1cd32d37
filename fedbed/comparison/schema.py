"""The comparison file: an experiment, what varies in it, and the seeds.

docs/compare.md has its keys, from here (`python -m fedbed.comparison.docs`).
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Dict, Iterable, List, Tuple

from pydantic import Field, Strict, field_validator, model_validator

from fedbed.experiment import Experiment, checks
from fedbed.experiment.base import Section, hint, problem
from fedbed.experiment.schema import Seed

MOST_VARIANTS = 500
LONGEST_NAME = 60


class Comparison(Section):
    """Variants of one experiment, each to be run with every seed."""

    name: str = Field(
        max_length=60,
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        description="Short name; the results' folder carries it.",
        json_schema_extra={"allowed": "up to 60 of a-z, 0-9 and '-', not '-' first"},
    )
    description: str = Field(
        default="", max_length=10_000, description="What is compared and why, in free words."
    )
    base: Experiment = Field(
        description="The experiment that is varied: the keys of an experiment file (its `name` may "
        "be left out), or the path of one, from the folder of this file."
    )
    seeds: Annotated[Tuple[Seed, ...], Strict(False)] | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="Seeds, all different, for every variant; null: those of the base.",
    )
    variants: Dict[str, Dict[str, Any]] = Field(
        default_factory=dict,
        description="Variants by name, each with the keys that it sets: "
        "`{federation.nodes: 3, codec.up: int8}`.",
        json_schema_extra={"allowed": "names, each with a mapping of keys to values"},
    )
    grid: Dict[str, List[Any]] = Field(
        default_factory=dict,
        description="Keys with lists of values: each combination is one more variant, named after "
        "its values.",
        json_schema_extra={"allowed": "keys, each with a list of values"},
    )
    reference: str | None = Field(
        default=None,
        description="Name of the variant that the others are compared with, seed by seed; null: "
        "each variant is compared with its centralised twin alone.",
    )

    @field_validator("seeds")
    @classmethod
    def _unique(cls, seeds: Tuple[int, ...] | None) -> Tuple[int, ...] | None:
        return None if seeds is None else checks.unique(seeds)

    @field_validator("variants")
    @classmethod
    def _named(cls, variants: Dict[str, Dict[str, Any]]) -> Dict[str, Dict[str, Any]]:
        for name in variants:
            if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
                raise problem("", f"no name: {name[:80]!r}; allowed: 1 to {LONGEST_NAME} letters")
        return variants

    @field_validator("grid")
    @classmethod
    def _listed(cls, grid: Dict[str, List[Any]]) -> Dict[str, List[Any]]:
        for key, values in grid.items():
            if not values:
                raise problem(key, "given an empty list; allowed: one value or more")
        return grid

    @model_validator(mode="after")
    def _check(self) -> Comparison:
        if not self.variants and not self.grid:
            raise problem("variants", "missing; wanted: variants by name, or a grid")
        number = len(self.variants) + (math.prod(map(len, self.grid.values())) if self.grid else 0)
        if number > MOST_VARIANTS:
            raise problem("grid", f"makes {number} variants; allowed: {MOST_VARIANTS} at most")
        return self


def check_reference(reference: str, names: Iterable[str]) -> None:
    """Refuse a reference that is none of the variants."""
    known = list(names)
    if reference not in known:
        shown = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "")
        raise problem(
            "reference", f"no variant {reference!r}{hint(reference, known)}; allowed: {shown}"
        )
