"""What a comparison consists of: variants, seeds, and the cells that they make. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from fedbed import yamlfile
from fedbed.errors import ExperimentError, UsageError
from fedbed.experiment import Experiment

NAMES_ONLY = {"name", "description", "seeds"}
"""Keys of an experiment that change nothing about one of its runs."""
KEY_LENGTH = 24
LONGEST_RUN_NAME = 60


@dataclass(frozen=True)
class Variant:
    """One experiment of a comparison, with its seeds."""

    name: str
    experiment: Experiment
    seeds: tuple[int, ...]

    @property
    def content(self) -> dict[str, Any]:
        """All that decides its runs, but the seed."""
        return self.experiment.model_dump(mode="json", exclude=NAMES_ONLY)


@dataclass(frozen=True)
class Cell:
    """One run of a comparison: a variant with one of its seeds.

    key: the same for the same run on the same ground; see `Plan.cells`.
    """

    variant: Variant
    seed: int
    key: str

    @property
    def title(self) -> str:
        """Name it to people."""
        return f"{self.variant.name}, seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """Everything that is to be compared. reference: a variant's name; '' if there is none.

    file: the content of a comparison file that says so, the base complete; None where experiment
    files were named.
    """

    name: str
    variants: tuple[Variant, ...]
    description: str = ""
    reference: str = ""
    file: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """A comparison file that repeats this; empty where experiment files were named."""
        return "" if self.file is None else yamlfile.write(self.file)

    def cells(self, ground: str) -> list[Cell]:
        """Return all cells, every variant's first seed first, then every second one.

        So that a comparison that is cut short has something of each variant. ground: what else
        decides a run's figures (see `fedbed.comparison.store.ground`).
        """
        order = [
            (place, variant, seed)
            for variant in self.variants
            for place, seed in enumerate(variant.seeds)
        ]
        return [
            Cell(variant, seed, key_of(variant, seed, ground))
            for _, variant, seed in sorted(order, key=lambda entry: entry[0])
        ]

    def variant(self, name: str) -> Variant:
        """Return a variant; UsageError where there is none of that name."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        names = [variant.name for variant in self.variants]
        near = get_close_matches(name, names, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else f" (there are: {', '.join(names[:20])})"
        raise UsageError(f"there is no variant '{name}'{hint}")

    def with_experiments(self, experiments: Sequence[Experiment]) -> Plan:
        """Return the plan with other experiments, in the order of the variants.

        ExperimentError if two of them come to the same.
        """
        changed = tuple(
            replace(variant, experiment=experiment)
            for variant, experiment in zip(self.variants, experiments, strict=True)
        )
        refuse_twice(changed)
        return replace(self, variants=changed)

    def with_seeds(self, seeds: tuple[int, ...]) -> Plan:
        """Return the plan with other seeds for every variant."""
        file = None if self.file is None else {**self.file, "seeds": list(seeds)}
        changed = tuple(
            Variant(v.name, v.experiment.model_copy(update={"seeds": seeds}), seeds)
            for v in self.variants
        )
        return replace(self, variants=changed, file=file)


def key_of(variant: Variant, seed: int, ground: str) -> str:
    """Return the hash by which a run is known again, whatever its variant is called."""
    text = json.dumps([variant.content, seed, ground], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def refuse_twice(variants: Iterable[Variant]) -> None:
    """Refuse variants of one name, and variants that are the same experiment."""
    names: set[str] = set()
    first: dict[str, str] = {}
    for variant in variants:
        if variant.name in names:
            raise ExperimentError(
                f"two variants are named '{variant.name}': give each its own name"
            )
        names.add(variant.name)
        content = json.dumps(variant.content, sort_keys=True)
        if content in first:
            raise ExperimentError(
                f"variants '{first[content]}' and '{variant.name}' are the same experiment: "
                "take one of them out"
            )
        first[content] = variant.name


def run_name(plan: str, variant: str) -> str:
    """Name the runs of a variant, as an experiment's name must look."""
    text = plan if plan == variant else f"{plan} {variant}"
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return slug[:LONGEST_RUN_NAME].strip("-") or "comparison"
