from __future__ import annotations

from pathlib import Path

import pytest

from fedbed.chaos.scenario import RULES, load, loads
from fedbed.errors import ExperimentError
from tests.fedbed.chaos.files import HEAD, scenario

SHIPPED = sorted((Path(__file__).parents[3] / "experiments" / "chaos").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_scenarios_load_and_are_named_after_their_file(path: Path) -> None:
    assert load(path).name == path.stem


def test_the_shipped_scenarios_have_a_fault_of_each_kind() -> None:
    done = {fault.do for path in SHIPPED for fault in load(path).faults}
    assert done == set(RULES)


def test_a_fault_needs_no_more_than_what_it_does_and_to_whom() -> None:
    (killed,) = scenario("{do: kill, whom: run}").faults
    assert (killed.title, killed.victim, killed.at) == ("kill-run", "run", "random")
    (cut,) = scenario("{do: cut_link, at: 1.5}").faults
    assert (cut.title, cut.victim, cut.at) == ("cut-link-agent", "agent", "1.5s")


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("{do: kil, whom: run}", "some.yaml:11: faults[0].do: given 'kil'"),
        ("{do: kill}", "faults[0].whom: missing; kill needs one of: agent | worker"),
        ("{do: outage, whom: agent}", "outage can't befall 'agent'; allowed: coordinator"),
        ("{do: kill, whom: run, lasts: 3s}", "lasts: means nothing to kill; its own keys"),
        ("{do: kill, whom: run, node: 1}", "node: means nothing to a fault of the run"),
        ("{do: kill, whom: agent, node: 4}", "given 4; allowed: 1 to 3, or random"),
        ("{do: kill, whom: run, back_after: 1s}", "back_after: means nothing to a run"),
        ("{do: kill, whom: run, at: round 99}", "given 'round 99'; there are"),
        ("{do: kill, whom: run, at: fork 1}", "at: given 'fork 1'; allowed: 'random'"),
        ("{do: freeze, whom: run, at: fsync 1}", "a system call is a moment for kill"),
        ("{do: kill, whom: run, wen: 1s}", "unknown key 'faults[0].wen'"),
        ("{do: freeze, whom: run, lasts: soon}", "lasts: given 'soon' (text); allowed: a duration"),
    ],
)
def test_mistakes_are_named_with_file_key_and_what_is_allowed(fault: str, complaint: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        scenario(fault)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_faults_of_one_name_are_refused() -> None:
    with pytest.raises(ExperimentError, match="'kill-run' stands there twice"):
        scenario("{do: kill, whom: run}", "{do: kill, whom: run}")


def test_mistakes_in_the_experiment_have_their_place() -> None:
    text = HEAD.replace("nodes: 3", "nodes: many") + "  - {do: outage}\n"
    with pytest.raises(ExperimentError, match=r"some.yaml:9: experiment.federation.nodes: given"):
        loads(text, "some.yaml")
    with pytest.raises(ExperimentError, match=r"faults: given an empty list"):
        loads(HEAD.replace("faults:", "faults: []"), "some.yaml")


@pytest.mark.parametrize("text", ["", "[1, 2]", "just text"])
def test_what_is_no_scenario_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ExperimentError, match=r"x\.yaml: wanted: keys"):
        load(path)
    with pytest.raises(ExperimentError, match="no such file"):
        load(tmp_path / "y.yaml")
