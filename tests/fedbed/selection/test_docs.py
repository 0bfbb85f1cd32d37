"""docs/selection.md against the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedbed.experiment import load
from fedbed.experiment.docs import key_table
from fedbed.selection import OF_STRATEGY, SELECTIONS

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "selection.md").read_text()


@pytest.mark.parametrize("name", [OF_STRATEGY, *SELECTIONS])
def test_every_selection_is_listed(name: str) -> None:
    assert f"\n| `{name}` | " in PAGE


@pytest.mark.parametrize("name", [n for n, kind in SELECTIONS.items() if kind.model_fields])
def test_arguments_are_as_in_the_code(name: str) -> None:
    kind = SELECTIONS[name]
    assert f"### {name}\n" in PAGE
    assert key_table(kind, (), kind) in PAGE


@pytest.mark.parametrize("file", ["synchronous", "deadline"])
def test_the_straggler_experiments_differ_in_the_pace_alone(file: str) -> None:
    experiment = load(ROOT / "experiments" / "stragglers" / f"{file}.yaml")
    assert (experiment.federation.pace.factor is None) == (file == "synchronous")
    plain = load(ROOT / "experiments" / "stragglers" / "synchronous.yaml")
    federation = experiment.federation.model_copy(update={"pace": plain.federation.pace})
    named = {"federation": federation, "name": plain.name, "description": plain.description}
    assert experiment.model_copy(update=named) == plain
