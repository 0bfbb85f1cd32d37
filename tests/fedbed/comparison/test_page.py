"""The report of a comparison: well-formed, self-contained, escaped, with the right figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fedbed.comparison.figures import Figures, Outcome, build
from fedbed.comparison.report import curves
from fedbed.comparison.report.page import render
from tests.coordinator.report.test_page import Reader, read
from tests.fedbed.comparison import samples

MANY = tuple(f"variant {number}" for number in range(9))
NASTY = '<b>"&\u202e'


@pytest.fixture(scope="module")
def figures() -> Figures:
    return samples.figures(reference="iid")


@pytest.fixture(scope="module")
def page(figures: Figures) -> Reader:
    return read(render(figures))


def test_it_needs_nothing_else_but_the_runs_beside_it(page: Reader) -> None:
    assert not {"script", "img", "link"} & set(page.tags)
    for address in page.addresses:
        assert address.startswith(("#", "data:", "runs/2026")), address
    assert "runs/20260101-000000-two-classes-each-3/report.html" in page.addresses


def test_figures_are_there_exactly(figures: Figures, page: Reader) -> None:
    for variant in figures.variants:
        for found in (variant.federated, variant.centralised, variant.against_twin):
            assert found is not None
            assert repr(found.mean) in page.values
            assert repr(found.half) in page.values
        for run in variant.runs:
            assert repr(run.federated) in page.values
    assert "1 ends behind, 1 can't be told apart" in page.text
    assert "6 of 6" in page.text
    assert page.tags.count("svg") == 3 + 1 + 2


def test_the_same_figures_give_the_same_page(figures: Figures) -> None:
    assert render(figures) == render(samples.figures(reference="iid"))


def test_many_variants_have_a_panel_each(page: Reader) -> None:
    many = read(render(samples.figures(MANY)))
    assert many.tags.count("svg") == 2 + len(MANY)
    for name in MANY:
        assert name in many.text


def test_names_and_reasons_are_escaped_and_doubts_are_shown() -> None:
    found = samples.figures(("plain", NASTY))
    run = replace(found.variants[1].runs[0], verdict="tainted", reasons=(f"lost {NASTY}",))
    bad = replace(found.variants[1], runs=(run,), failed={2: f"why {NASTY}"})
    text = render(replace(found, variants=(found.variants[0], bad)))
    page = read(text)
    assert "<b>" not in text.replace("<b>Var", "")
    assert f"plain {NASTY}".split()[1] in page.text
    assert f"lost {NASTY}" in page.text
    assert f"seed 2: why {NASTY}" in page.text
    assert "1 failed" in page.text
    assert "1 runs are still to be done" in page.text


def test_a_comparison_without_any_run_has_a_page() -> None:
    plan = samples.plan(("a", "b"))
    page = read(render(build(plan, [Outcome(cell, {}) for cell in plan.cells("here")])))
    assert "0 of 6 runs" in page.text


def test_twins_that_differ_stand_with_their_variants() -> None:
    one, two = samples.figures().variants
    other = [
        replace(run, curves={**run.curves, "centralised": {"accuracy": [(1, 0.5), (2, 0.6)]}})
        for run in two.runs
    ]
    assert len(curves.shared_twins([one, two], "accuracy")) == 1
    assert len(curves.shared_twins([one, replace(two, runs=tuple(other))], "accuracy")) == 2


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([0.5], [0.5]),
        ([0.1, 0.9], [0.1, 0.9]),
        ([0.5, 0.5], [0.5, 0.7]),
        ([0.9, 0.95, 1.3], [0.6, 0.8, 1.0]),
        ([0.5] * 11, [round(0.1 * n, 1) for n in range(11)]),
    ],
)
def test_labels_keep_apart(values: list[float], places: list[float]) -> None:
    assert curves.spread(values, 0.2, 0.0, 1.0) == pytest.approx(places)


def test_long_names_keep_both_ends() -> None:
    assert curves.short("short", 10) == "short"
    found = curves.short("nodes 3, up exact, alpha 0.1", 20)
    assert found == "nodes 3,\u2026alpha 0.1"
    assert len(found) <= 20


def test_what_it_took_to_the_target_is_told_where_there_is_one() -> None:
    reached = render(samples.aiming(2.5, 3.5))
    assert "time to the target" in reached
    assert '<data value="3.0">3</data>' in reached
    assert "6 s" in reached
    assert "reached in 1 of 2" in render(samples.aiming(2.5, None))
    assert "time to the target" not in render(samples.figures())
