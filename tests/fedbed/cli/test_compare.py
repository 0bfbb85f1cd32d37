"""What `fedbed compare` prints, and that it goes on where it was broken off."""

from __future__ import annotations

import io
import json
import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from fedbed.cli import compared
from fedbed.cli.plain import PlainLines
from fedbed.cli.progress import Headed
from fedbed.cli.screen import frame
from fedbed.testbed import LocalTestbed
from tests.fedbed.cli import pictures
from tests.fedbed.cli.test_whole import start
from tests.fedbed.comparison import samples

STUDY = """
name: study
base:
  task: mnist_softmax
  data: {dataset: synthetic-digits, train_samples: 400, test_samples: 100}
  federation: {rounds: 1, nodes: 2}
seeds: [1]
variants:
  one: {federation.nodes: 1}
  two: {}
reference: one
"""


whole = pytest.mark.timeout(500)
"""A run takes some seconds, and several times that on a machine with other work."""


@pytest.fixture(scope="module")
def testbed() -> Iterator[LocalTestbed]:
    with LocalTestbed(2) as testbed:
        yield testbed


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "study.yaml").write_text(STUDY)
    return tmp_path


def fedbed(folder: Path, *arguments: str, url: str | None = None) -> tuple[int, str, str]:
    process = start(folder, *arguments, url=url)
    try:
        out, err = process.communicate(timeout=400)
    finally:
        process.kill()
    return process.returncode, out, err


def printed(width: int = 100, **changes: object) -> str:
    figures = samples.figures(**changes)  # type: ignore[arg-type]
    out = io.StringIO()
    compared.show(figures, Path("nosuch"), Console(file=out, width=width))
    return out.getvalue()


def test_the_table_has_intervals_and_says_what_they_are() -> None:
    out = printed(reference="iid")
    assert re.search(r"iid +3 +94\.\d\d ± \d\.\d\d +94\.20 ± 0\.25 +[+-]\d\.\d\d ± 0\.\d\d +-", out)
    assert re.search(r"two classes each +3 .*1\.2 MB +16 s", out)
    assert "minus iid" in out
    assert "half of the 95 % interval" in out
    assert "few seeds make wide intervals" in out


def test_a_narrow_terminal_leaves_costs_to_the_report() -> None:
    out = printed(80, reference="iid")
    assert "MB" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_one_seed_has_no_interval() -> None:
    out = printed(seeds=(1,))
    assert "±" not in out
    assert "one seed says nothing about the others" in out


def test_doubtful_and_failed_runs_are_named() -> None:
    found = samples.figures()
    run = replace(found.variants[0].runs[0], verdict="tainted", reasons=("memory was swapped",))
    first = replace(found.variants[0], runs=(run,), failed={2: "no nodes"})
    said = compared.notes(replace(found, variants=(first,)))
    assert "* iid, seed 1: memory was swapped" in said
    assert "failed: iid, seed 2: no nodes" in said
    assert "1 of 3 runs are still to be done" in said


def test_the_heading_stands_above_a_run_and_once_among_lines() -> None:
    out = io.StringIO()
    shown = Headed(PlainLines(out), lambda left: f"cell 2 of 9, {left} s")
    for _ in range(3):
        shown.show(pictures.run(), pictures.picture())
    assert out.getvalue().startswith("cell 2 of 9, 8.0 s\n")
    assert out.getvalue().count("cell 2") == 1
    console = Console(file=io.StringIO(), width=60)
    with console.capture() as captured:
        picture = pictures.picture(heading="cell 2 of 9: " + "x" * 80)
        console.print(frame(pictures.run(), picture, 60, 20))
    lines = captured.get().splitlines()
    assert lines[0].startswith("cell 2 of 9: xxx")
    assert len(lines) <= 20


@pytest.mark.e2e
@whole
def test_from_the_dry_run_to_the_report_and_once_more(study: Path, testbed: LocalTestbed) -> None:
    url = testbed.url
    code, out, _ = fedbed(study, "compare", "study.yaml", "--dry-run", url=url)
    assert code == 0
    assert "   2  two, seed 1  (2 nodes): to run" in out
    assert "2 runs to go; time: not known" in out
    assert not (study / "runs").exists()

    code, out, err = fedbed(study, "compare", "study.yaml", "--json", "--only", "one", url=url)
    assert code == 0, err
    assert [len(variant["runs"]) for variant in json.loads(out)["variants"]] == [1, 0]

    code, out, err = fedbed(study, "compare", "study.yaml", url=url)
    assert code == 0, err
    assert "1 of 2 runs are done already" in out
    assert "cell 2 of 2: two, seed 1 (" in out
    assert "2 of 2: two, seed 1, done in" in out
    assert "minus" in out
    folder = study / "runs" / "compare-study"
    found = json.loads((folder / "comparison.json").read_text())
    one, two = found["variants"]
    assert two["summary"]["against_reference"]["n"] == 1
    twins = [[run["centralised"] for run in variant["runs"]] for variant in (one, two)]
    assert twins[0] == twins[1]
    assert [run["twin_reused_of"] for run in two["runs"]] == [run["run"] for run in one["runs"]]
    for name in ("report.html", "metrics.csv", "comparison.csv", "table.tex"):
        assert (folder / name).stat().st_size > 100
    for run in one["runs"] + two["runs"]:
        assert (folder / "runs" / run["run"] / "report.html").is_file()
        assert f'href="runs/{run["run"]}/report.html"' in (folder / "report.html").read_text()

    code, out, _ = fedbed(study, "compare", "study.yaml", "--json", url="http://127.0.0.1:9")
    assert code == 5, "runs on another coordinator are others"
    code, out, _ = fedbed(study, "compare", "study.yaml", "--json", url=url)
    assert (code, json.loads(out)) == (0, found)


@pytest.mark.e2e
@whole
def test_a_run_that_fails_leaves_the_others(study: Path, testbed: LocalTestbed) -> None:
    text = STUDY.replace("one: {federation.nodes: 1}", "one: {federation.nodes: 3}")
    (study / "study.yaml").write_text(text)
    more = ["--set", "federation.start_timeout=1s", "--seeds", "5"]
    code, out, err = fedbed(study, "compare", "study.yaml", *more, url=testbed.url)
    assert code == 9
    assert "1 of 2 runs failed, the first of them one, seed 5: " in err
    assert "needs 3 nodes" in err
    assert err.count("\n") == 1
    assert "2 of 2: two, seed 5, done in" in out
    found = json.loads((study / "runs" / "compare-study" / "comparison.json").read_text())
    assert [len(variant["failed"]) for variant in found["variants"]] == [1, 0]


@pytest.mark.e2e
@whole
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_it_goes_on_where_it_was_broken_off(
    study: Path, testbed: LocalTestbed, end: signal.Signals
) -> None:
    process = start(study, "compare", "study.yaml", url=testbed.url)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        while "1 of 2: one, seed 1, done" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(end)
        _, err = process.communicate(timeout=400)
    finally:
        process.kill()
    if end == signal.SIGINT:
        assert process.returncode == 130
        assert "1 of 2 runs are done, and the same command goes on from there" in err
        assert (study / "runs" / "compare-study" / "report.html").is_file()
    code, out, err = fedbed(study, "compare", "study.yaml", url=testbed.url)
    assert code == 0, err
    assert "1 of 2 runs are done already" in out
    assert [path.name for path in (study / "runs").iterdir()] == ["compare-study"]


@pytest.mark.e2e
@whole
def test_a_testbed_of_its_own_keeps_its_twins(study: Path) -> None:
    code, out, err = fedbed(study, "compare", "study.yaml", "--only", "one", "--seeds", "3")
    assert (code, err) == (0, "")
    assert "starting a coordinator and 1 node on this machine" in out
    code, out, err = fedbed(study, "compare", "study.yaml", "--seeds", "3")
    assert (code, err) == (0, "")
    assert "the centralised twin is that of run" in out
