"""Faults befall whole testbeds, and nothing is lost; what doesn't hold is found and named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fedbed.chaos import campaign, leftovers, scenario, tracing
from fedbed.chaos.campaign import Campaign
from fedbed.chaos.local import LocalGround
from fedbed.chaos.scenario import Scenario
from fedbed.cli.main import main
from fedbed.errors import RequirementMissing
from tests.e2e.bench import nothing_left
from tests.parts import need

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
SCENARIOS = Path(__file__).parents[2] / "experiments" / "chaos"
KILL_POINTS = 30
LANES = 2
"""Testbeds side by side: much of a run has one process at work and everybody else waiting."""


@pytest.fixture(autouse=True)
def _strace() -> None:
    need(not tracing.missing(), tracing.missing())


def carried_out(wanted: Scenario) -> Campaign:
    *_, last = campaign.carry_out(LocalGround(wanted), wanted, wanted.seed)
    return last


def changed(name: str, **more: Any) -> Scenario:
    """A shipped scenario with other values at its top level."""
    return scenario.load(SCENARIOS / f"{name}.yaml").model_copy(update=more)


def test_one_of_each_fault_costs_time_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = SCENARIOS / "short.yaml"
    with nothing_left():
        assert main(["chaos", str(path), "--json", "--output", str(tmp_path)]) == 0
    printed = json.loads(capsys.readouterr().out)
    folder = Path(printed.pop("folder"))
    assert json.loads((folder / "chaos.json").read_text())["trials"] == printed["trials"]
    wanted = len(scenario.load(path).faults)
    assert printed["summary"]["runs"] == wanted
    assert printed["summary"]["finished"] == printed["summary"]["same_model"] == wanted
    assert printed["broken"] == []
    for trial in printed["trials"]:
        (fault,) = trial["faults"]
        assert 0 < fault["struck_s"] <= fault["undone_s"] <= fault["back_s"]
        assert trial["cost_points"] == 0
    page = (folder / "chaos.html").read_text()
    assert page.count("<svg") == 1
    assert all(trial["name"] in page for trial in printed["trials"])


def test_random_kill_points_change_no_bit() -> None:
    shipped = scenario.load(SCENARIOS / "kill-points.yaml")
    each, more = divmod(KILL_POINTS, len(shipped.faults))
    faults = [
        fault.model_copy(update={"repeat": each + (number < more)})
        for number, fault in enumerate(shipped.faults)
    ]
    lanes = [
        shipped.model_copy(update={"faults": tuple(faults[lane::LANES])}) for lane in range(LANES)
    ]
    with nothing_left(), ThreadPoolExecutor(LANES) as pool:
        done = list(pool.map(carried_out, lanes))
    assert [each.broken() for each in done] == [[]] * LANES
    outcomes = [outcome for each in done for outcome in each.outcomes]
    assert len(outcomes) == KILL_POINTS
    assert {outcome.facts.state for outcome in outcomes} == {"finished"}
    undisturbed = {each.undisturbed.facts.model_sha256 for each in done if each.undisturbed}
    assert {outcome.facts.model_sha256 for outcome in outcomes} == undisturbed
    assert len(undisturbed) == 1


def test_faults_that_come_together_are_survived_together() -> None:
    faults = scenario.load(SCENARIOS / "short.yaml").faults
    both = tuple(f for f in faults if f.title in ("kill-worker", "cut-link-agent"))
    with nothing_left():
        done = carried_out(changed("short", together=True, faults=both))
    assert done.broken() == []
    (outcome,) = done.outcomes
    assert len(outcome.struck) == 2


def test_a_broken_invariant_is_named_with_code_9(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Without patience a round goes on without the node that is gone: other participants.
    text = (SCENARIOS / "short.yaml").read_text()
    head, _, _ = text.replace("rejoin_grace: 30s", "rejoin_grace: 0s").partition("faults:")
    path = tmp_path / "x.yaml"
    path.write_text(head + "faults:\n  - {do: kill, whom: agent, at: round 2, back_after: 4s}\n")
    with nothing_left():
        assert main(["chaos", str(path), "--output", str(tmp_path / "runs")]) == 9
    said = capsys.readouterr().err
    assert "kill-agent: same participants: round" in said
    assert said.count("\n") == 1
    (kept,) = (tmp_path / "runs").glob("*/broken/kill-agent")
    assert (kept / "coordinator.log").is_file()
    assert (kept / "run" / "result.json").is_file()


def test_what_can_not_be_done_here_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = changed("disks")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(RequirementMissing, match="full-node: filling a disk needs root"):
        list(campaign.carry_out(LocalGround(wanted), wanted, 1))


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    path = SCENARIOS / "outage.yaml"
    command = [sys.executable, "-m", "fedbed", "chaos", str(path), "--output", str(tmp_path)]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(SCENARIOS.parents[1])}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while "first without a fault" not in process.stdout.readline():
            assert process.poll() is None
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "fedbed: interrupted; nothing was found out\n"
    assert leftovers.processes(tmp_path) == []
    assert list(tmp_path.glob("fedbed-*")) == []
