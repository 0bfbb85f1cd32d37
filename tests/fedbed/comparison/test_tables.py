from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest

from fedbed.comparison import tables
from fedbed.comparison.figures import CENTRALISED, FEDERATED, Figures, Outcome, band, build, finding
from tests.fedbed.comparison import samples

NASTY = r"50 % & \more_{x} $y$ #1 ~^<|>-- é"


def of(*results: tuple[str, int, float, float | None], **more: object) -> Figures:
    names = tuple(dict.fromkeys(name for name, *_ in results))
    seeds = tuple(sorted({seed for _, seed, *_ in results}))
    plan = samples.plan(names, seeds, str(more.get("reference", "")))
    held = {(name, seed): (mine, twin) for name, seed, mine, twin in results}
    outcomes = []
    for cell in plan.cells("here"):
        found = held.get((cell.variant.name, cell.seed))
        result = {} if found is None else samples.result(cell.variant.name, cell.seed, *found)
        outcomes.append(Outcome(cell, result))
    return build(plan, outcomes)


def test_estimates_are_over_seeds_and_differences_within_them() -> None:
    found = of(
        ("a", 1, 0.90, 0.94),
        ("a", 2, 0.92, 0.94),
        ("b", 1, 0.80, 0.94),
        ("b", 2, 0.82, 0.94),
        reference="a",
    )
    a, b = found.variants
    assert a.federated is not None
    assert a.federated.mean == pytest.approx(0.91)
    assert a.against_twin is not None
    assert a.against_twin.mean == pytest.approx(-0.03)
    assert a.against_reference is None
    assert b.against_reference is not None
    assert b.against_reference.mean == pytest.approx(-0.10)
    assert b.against_reference.half == pytest.approx(0, abs=1e-12)
    assert b.costs["wall_s"] == 16


def test_no_twin_no_difference_to_it_and_unlike_metrics_are_not_subtracted() -> None:
    found = of(("a", 1, 0.9, None), ("a", 2, 0.92, None))
    assert found.variants[0].centralised is None
    assert found.variants[0].against_twin is None
    assert finding(found) == ""
    plan = samples.plan(("a", "b"), (1,), "a")
    first, second = plan.cells("here")
    other = samples.result("b", 1, 0.5, None, metric="mean_iou")
    mixed = build(plan, [Outcome(first, samples.result("a", 1, 0.9, None)), Outcome(second, other)])
    assert mixed.variants[1].against_reference is None
    assert mixed.metrics == ["accuracy", "mean_iou"]


def test_a_band_holds_the_rounds_that_all_seeds_have() -> None:
    runs = of(("a", 1, 0.9, 0.94), ("a", 2, 0.92, 0.94)).variants[0].runs
    runs[1].curves[FEDERATED]["accuracy"].pop(0)
    found = band(runs, FEDERATED, "accuracy")
    assert found is not None
    assert found.rounds == list(range(2, 9))
    assert found.mean[-1] == pytest.approx(0.91)
    assert (found.low[-1], found.high[-1]) == (0.90, 0.92)
    assert band(runs, CENTRALISED, "nosuch") is None


def test_the_finding_goes_by_intervals() -> None:
    said = finding(samples.figures(("a", "b", "c")))
    assert said.startswith("3 variants against the centralised twin: 2 end behind, 1 can't be told")


def test_json_and_csv_hold_the_same() -> None:
    figures = samples.figures(reference="iid")
    stored = tables.data(figures, "compare-study")
    assert json.loads(json.dumps(stored, allow_nan=False)) == stored
    rows = list(csv.DictReader(io.StringIO(tables.comparison_csv(figures))))
    assert [row["variant"] for row in rows] == ["iid", "two classes each"]
    for row, variant in zip(rows, stored["variants"], strict=True):
        assert float(row["federated_mean"]) == variant["summary"]["federated"]["mean"]
        assert float(row["against_twin_low"]) == variant["summary"]["against_twin"]["low"]
    assert rows[0]["against_reference_mean"] == ""
    assert rows[0]["against_reference_n"] == "0"
    assert float(rows[1]["bytes_up"]) == 1_234_567
    assert [run["seed"] for run in stored["variants"][0]["runs"]] == [1, 2, 3]


def test_what_it_took_to_the_target_is_a_mean_over_all_runs_or_none() -> None:
    (all_did,) = samples.aiming(2.5, 3.5).variants
    assert all_did.reached == 2
    assert (all_did.costs["target_rounds"], all_did.costs["target_s"]) == (3, 6)
    (one_did,) = samples.aiming(2.5, None).variants
    assert one_did.reached == 1
    assert "target_s" not in one_did.costs
    assert of(("a", 1, 0.9, 0.94)).variants[0].reached is None


def test_one_row_for_every_measured_figure() -> None:
    rows = list(csv.DictReader(io.StringIO(tables.metrics_csv(samples.figures()))))
    assert len(rows) == 2 * 3 * 2 * 8 * 2
    last = [r for r in rows if r["variant"] == "iid" and r["round"] == "8" and r["seed"] == "2"]
    assert {(r["side"], r["metric"]) for r in last} == {
        (side, metric) for side in (FEDERATED, CENTRALISED) for metric in ("accuracy", "loss")
    }
    (twin,) = (r for r in last if r["side"] == CENTRALISED and r["metric"] == "accuracy")
    assert float(twin["value"]) == 0.942


def test_latex_is_sound_whatever_a_variant_is_called() -> None:
    figures = samples.figures(("plain", NASTY), reference="plain")
    text = tables.latex(figures)
    assert re.search(r"\\begin\{tabular\}\{l(r+)\}", text)
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(body) == 3
    columns = len(re.search(r"\{(lr+)\}", text)[1])  # type: ignore[index]
    for row in body:
        assert len(re.findall(r"(?<!\\)&", row)) == columns - 1
        assert len(re.findall(r"(?<!\\)\$", row)) % 2 == 0
        assert not re.search(r"(?<!\\)[%#_~]", row)
        assert row.isprintable()
    depth = 0
    for match in re.finditer(r"(?<!\\)[{}]", text):
        depth += 1 if match[0] == "{" else -1
        assert depth >= 0
    assert depth == 0
    for rule in ("toprule", "midrule", "bottomrule", "end{tabular}"):
        assert text.count(f"\\{rule}") == 1
    known = {"begin", "end", "toprule", "midrule", "bottomrule", "pm", "textbackslash", "textbar"}
    known |= {"textasciitilde", "textasciicircum", "textless", "textgreater"}
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    assert set(re.findall(r"\\([a-zA-Z]+)", "\n".join(lines))) <= known
    assert r"$-" in text
    assert r"\pm" in text


def test_latex_of_one_seed_has_no_interval() -> None:
    text = tables.latex(of(("a", 1, 0.9, None)))
    assert "\\pm" not in text
    assert "a & 1 & $90.00$ & -- & -- & 1.2 \\\\" in text


def test_what_was_disturbed_or_not_run_is_counted() -> None:
    figures = samples.figures()
    run = replace(figures.variants[0].runs[0], verdict="tainted", reasons=("swapped",))
    first = replace(figures.variants[0], runs=(run, *figures.variants[0].runs[1:2]))
    assert first.tainted == (run,)
    assert first.missing == 1
